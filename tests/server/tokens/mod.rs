//! Service tokens: what is refused of their form, and of their proof. OAuth's are tested with a whole hold, in `gate`.

mod authenticator;
mod service_tokens;
