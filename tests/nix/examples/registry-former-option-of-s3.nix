# The same under the name that it had before.
{
  imports = [ ./registry-bucket.nix ];
  services.atcr-hold.settings.storage.s3.disable_presigned_urls = true;
}
