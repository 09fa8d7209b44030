# The former way to say that nothing goes past the hold means that beside its front end, too.
{
  imports = [ ./registry-bucket.nix ];
  services.atcr-hold.settings.storage.disable_presigned_urls = true;
}
