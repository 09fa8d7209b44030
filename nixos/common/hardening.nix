# What a daemon of ours may not do: one directive a line, each with its reason.
# `systemd-analyze security` gives 1.1 of 10; the tests keep it there.
# Not here: PrivateNetwork and IPAddressDeny=any, because DID documents, S3 and relays must be reached.
{ mkDefault }:
{
  UMask = mkDefault "0077"; # what it writes is nobody else's to read
  CapabilityBoundingSet = ""; # it binds no low port (systemd does) and changes no owner
  AmbientCapabilities = ""; # and is given none
  NoNewPrivileges = true; # no set-uid program can give it more
  KeyringMode = "private"; # no kernel keys of other services
  RemoveIPC = true; # no shared memory stays behind
  ProtectSystem = "strict"; # the system is read-only, but for the state directory
  ProtectHome = true; # people's files are not there
  PrivateTmp = true; # no files of others in /tmp, none of ours for others
  PrivateDevices = true; # no disks, no terminals
  PrivateUsers = true; # no other user exists, root neither
  PrivateMounts = true; # a mount that it would see stays its own
  DevicePolicy = "closed"; # nothing but /dev/null and its like
  ProtectClock = true; # expiry of tokens hangs on the clock: it cannot set it
  ProtectHostname = true; # the host name is not its to set
  ProtectKernelTunables = true; # /proc/sys and /sys are read-only
  ProtectKernelModules = true; # no driver can be loaded
  ProtectKernelLogs = true; # addresses of the kernel stay unknown
  ProtectControlGroups = true; # it cannot lift its own limits
  ProtectProc = "invisible"; # no process of others can be seen
  ProcSubset = "pid"; # nor what /proc says of the machine
  RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6"; # no netlink, no raw packets, no vsock
  IPAddressDeny = "link-local multicast"; # the cloud's metadata address is link-local; what is let through: daemon.nix
  RestrictNamespaces = true; # a new namespace opens much of the kernel
  RestrictRealtime = true; # it cannot starve the machine
  RestrictSUIDSGID = true; # it can leave no set-uid file behind
  LockPersonality = true; # no old, less guarded system call behaviour
  MemoryDenyWriteExecute = true; # no code but the program's own
  SystemCallArchitectures = "native"; # the filter below knows one architecture
  SystemCallErrorNumber = "EPERM"; # a refused call fails instead of killing uploads in flight
  SystemCallFilter = [
    "@system-service" # what services need, less:
    "~@privileged @resources" # what only root may do, priorities and limits
    "~@mount @keyring @memlock @setuid @chown @timer" # what a daemon of files and sockets has no use for
    "~io_uring_setup io_uring_enter io_uring_register" # a wide door into the kernel
    "~userfaultfd process_vm_readv process_vm_writev kcmp" # tools of exploits
  ];
  LimitCORE = 0; # a core file would hold the signing key
  LimitNOFILE = mkDefault 16384; # 1,024 connections, each with a file, and room
  TasksMax = mkDefault 256; # a thread a core, sixteen for files, a few for the database
  MemoryMax = mkDefault "1G"; # 256 uploads take less than 64 MiB: beyond this something is wrong
  OOMPolicy = "stop"; # out of memory is a failure to be seen
}
