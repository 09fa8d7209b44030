# A new machine's own: how it boots, what it is called, and who may enter.
let
  # The public key that you log in with, `cat ~/.ssh/id_ed25519.pub`. Without it nobody gets in.
  sshKey = "ssh-ed25519 AAAA… you@laptop";
in
{
  assertions = [
    {
      assertion = builtins.match "ssh-[a-z0-9-]+ [A-Za-z0-9+/=]{60,}.*" sshKey != null;
      message = "machine.nix: sshKey is not your public key yet, and nobody could log in.";
    }
  ];

  networking.hostName = "registry";
  # UEFI. On a machine that boots by BIOS: boot.loader.grub.device = "/dev/sda";
  boot.loader.systemd-boot.enable = true;
  boot.loader.efi.canTouchEfiVariables = true;

  services.openssh.enable = true;
  services.openssh.settings.PasswordAuthentication = false;
  users.users.root.openssh.authorizedKeys.keys = [ sshKey ];

  # The release that this machine was first installed with; never to be changed.
  system.stateVersion = "26.05";
}
