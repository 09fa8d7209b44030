# X-Accel-Redirect: nginx sends the bytes of blobs.
{
  services.atcr-hold = {
    enable = true;
    url = "https://hold.example.org";
    owner = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    storage.filesystem.path = "/srv/blobs";
    nginx.enable = true;
    nginx.sendBlobs = true;
  };
}
