# nginx before the registry: the whole host, but for what a hold on the same host name has (hold/nginx.nix).
{
  imports = [
    (import ../common/proxy.nix {
      name = "atcr-appview";
      title = "registry";
      zone = "atcr_appview";
      # A hold on the same host name has the other methods.
      locations = _: [
        "/"
        "/xrpc/io.atcr.appview."
      ];
    })
  ];
}
