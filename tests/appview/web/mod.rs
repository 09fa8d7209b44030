//! Sign-ins by a browser and devices: what is refused, with exact status, and what is asked of whom meanwhile.

mod bad_forms;
mod devices;
mod faults;
mod forms;
mod hostile;
mod kept;
mod leaving;
mod many_records;
mod pasted;
mod person;
mod returning;
mod routes;
mod search;
mod settings;
mod sign_in;
mod site;
mod stalled;
mod stolen_codes;
mod twice;
mod typed_holds;
mod webhooks;
