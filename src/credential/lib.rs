//! `docker-credential-atcr`: a credential helper, which docker and its kin ask for the secret of a registry, and with which
//! a person signs in by the browser. No password is in docker's configuration then.
//!
//! # The map
//! One room a folder; a room names only those listed for it, which stand above it.
//!
//! | room | for | may name |
//! |---|---|---|
//! | `registry` | the name of a registry, as docker and people write it | – |
//! | `store` | accounts and their secrets: a file of the person's own, and the system's keyring | registry |
//! | `remote` | calls to a registry: the device flow, whether a secret is good, giving it back | registry |
//! | `docker` | docker's protocol with helpers, and its configuration file | registry, store |
//! | `cli` | the command line | all |
//!
//! # docker asks
//! `docker pull registry.example.org/…` starts `docker-credential-atcr get` with the registry's name on standard input.
//! `docker::get` reads the file, which is always whole, without a lock; where the secret is in the keyring, `store::Keyring`
//! is asked for two seconds at most. Nothing is asked of the network or of a person.
//!
//! # A person signs in
//! `cli::login` asks the registry for a code ([`remote::RemoteRegistry::ask`]), shows it, and polls until the person has let this
//! machine in, in any browser. The secret goes to `store::Store::put`, and the machine is a device that its owner sees and takes
//! back at the registry.
#![forbid(unsafe_code)]

pub mod cli;
pub mod docker;
pub mod registry;
pub mod remote;
pub mod store;
