//! PURE: one webhook, as the Standard Webhooks specification has it: what is sent, how it is signed,
//! when, and what an answer means.

pub mod answer;
pub mod message;
pub mod pace;
pub mod secret;

pub use answer::Answer;
pub use pace::{Pace, Posts, Turn};
pub use secret::{SecretError, WebhookSecret};
