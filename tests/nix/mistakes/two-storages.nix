# Must be refused with: services.atcr-hold.storage' is not of type `attribute-tagged union with choices: azure, filesystem, gcs, s3'
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    storage.filesystem.path = "/srv/blobs";
    storage.s3.bucket = "layers";
  };
}
