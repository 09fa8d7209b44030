//! What is sent where there is no answer: a refusal, in the error format of a program.

use crate::wire::{HeadRefusal, Response};

/// A refusal in the error format of a program.
pub trait Refusal: Send {
    /// Returns its name, for the log.
    fn name(&self) -> &'static str;

    /// Takes out the internal cause. A refusal that has one is logged as an error.
    fn take_detail(&mut self) -> Option<String>;

    /// Converts the refusal to its response.
    fn into_response(self) -> Response;
}

/// Reasons why a program did not answer a request itself.
#[derive(Debug)]
pub enum Cause {
    /// The head of the request was refused.
    Head(HeadRefusal),
    /// The client exceeds its rate.
    RateLimited,
    /// The handler panicked with this message.
    Panic(String),
}
