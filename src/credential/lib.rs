//! `docker-credential-atcr`: a credential helper, which docker, podman and other clients ask for the secret of a
//! registry. A user signs in with a browser, and docker's configuration holds no password.
//!
//! # The map
//! One room a folder; a room names only those listed for it, which stand above it.
//!
//! | room | for | may name |
//! |---|---|---|
//! | `registry` | the name of a registry, as docker and users write it | – |
//! | `store` | accounts and their secrets: a file of the user, and the system's keyring | registry |
//! | `remote` | calls to a registry: the device flow, whether a secret is valid, revoking it | registry |
//! | `docker` | the protocol of docker's credential helpers, and docker's configuration file | registry, store |
//! | `cli` | the command line | all |
//!
//! # docker asks for a secret
//! `docker pull registry.example.org/…` starts `docker-credential-atcr get` with the registry's name on standard input.
//! `docker::get` reads the file without a lock, as it is replaced atomically; a secret in the keyring is looked up by
//! `store::Keyring`, for two seconds at most. No network is used and no user is asked.
//!
//! # A user signs in
//! `cli::login` asks the registry for a code ([`remote::RemoteRegistry::ask`]), shows it, and polls until the user has
//! allowed this machine in any browser. The secret goes to `store::Store::put`; the machine is a device that its owner
//! sees and can revoke at the registry.
#![forbid(unsafe_code)]

pub mod cli;
pub mod docker;
pub mod registry;
pub mod remote;
pub mod store;
