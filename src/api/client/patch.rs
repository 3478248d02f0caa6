//! The body of a PATCH: what is to change, and the key.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// `PATCH` takes the key in the body (AI_PARSER_API.md).
#[derive(Serialize)]
struct PatchBody<'a> {
    api_key: &'a str,
    #[serde(flatten)]
    parts: Parts<'a>,
}

/// All that a PATCH can say. A key that is none of these, `api_key` above all, is not sent.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    add_fields: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    modify_fields: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    rename_fields: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    remove_fields: Option<&'a RawValue>,
}

/// The bytes to send, each part as it stands in `change`; or why that is not a change.
pub(super) fn body(api_key: &str, change: &RawValue) -> Result<Vec<u8>, serde_json::Error> {
    let parts = serde_json::from_str(change.get())?;
    serde_json::to_vec(&PatchBody { api_key, parts })
}
