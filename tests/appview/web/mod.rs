//! Sign-ins by a browser and devices: what is refused, with exact status, and what is asked of whom meanwhile.

mod devices;
mod forms;
mod person;
mod search;
mod settings;
mod sign_in;
mod site;
mod webhooks;
