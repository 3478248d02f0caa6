//! What the service takes for a well-formed create or update. Pure.

use serde_json::{Map, Value};
use url::Url;

/// The body of a create that is well formed.
#[derive(Debug, Clone)]
pub(super) struct CreateInput {
    pub name: String,
    pub urls: Vec<String>,
    pub scraper_params: Value,
    /// `None` where the service is to infer them.
    pub fields: Option<Vec<Value>>,
}

/// The body of a PATCH that is well formed.
#[derive(Debug, Clone, Default)]
pub(super) struct PatchInput {
    add: Vec<Value>,
    modify: Vec<Value>,
    /// Old and new names.
    rename: Vec<(String, String)>,
    remove: Vec<String>,
}

type BodyObject = Map<String, Value>;

/// Reads a JSON object, as every POST and PATCH must be one.
pub(super) fn object(body: &[u8]) -> Result<BodyObject, String> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("the body must be a JSON object".to_owned()),
        Err(error) => Err(format!("malformed JSON: {error}")),
    }
}

impl CreateInput {
    /// Checks a create's body; the error is the text of the 400.
    pub fn read(body: &BodyObject) -> Result<Self, String> {
        let name = text(body, "name")?.to_owned();
        let urls = list(body, "urls")?.ok_or("urls is required")?;
        let urls: Vec<String> = urls.iter().map(url).collect::<Result<_, _>>()?;
        if urls.is_empty() || urls.len() > 3 {
            return Err(format!("urls must contain 1 to 3 URLs, not {}", urls.len()));
        }
        let scraper_params = body.get("scraper_params").cloned().unwrap_or(Value::Null);
        check_scraper_params(&scraper_params)?;
        let fields = list(body, "fields")?.cloned();
        fields.iter().flatten().try_for_each(check_field)?;
        Ok(Self {
            name,
            urls,
            scraper_params,
            fields,
        })
    }
}

impl PatchInput {
    /// Checks a PATCH's body; the error is the text of the 400.
    pub fn read(body: &BodyObject) -> Result<Self, String> {
        let fields = |key: &str| -> Result<Vec<Value>, String> {
            let fields = list(body, key)?.cloned().unwrap_or_default();
            fields.iter().try_for_each(check_field)?;
            Ok(fields)
        };
        let renamed = list(body, "rename_fields")?.cloned().unwrap_or_default();
        let removed = list(body, "remove_fields")?.cloned().unwrap_or_default();
        let patch = Self {
            add: fields("add_fields")?,
            modify: fields("modify_fields")?,
            rename: renamed.iter().map(rename).collect::<Result<_, _>>()?,
            remove: removed.iter().map(removal).collect::<Result<_, _>>()?,
        };
        let is_empty = !patch.is_paid() && patch.rename.is_empty() && patch.remove.is_empty();
        if is_empty {
            return Err("nothing to change: give add_fields, modify_fields, \
                        rename_fields or remove_fields"
                .to_owned());
        }
        Ok(patch)
    }

    /// Whether it adds or modifies: then it is generated again, and paid for.
    pub fn is_paid(&self) -> bool {
        !self.add.is_empty() || !self.modify.is_empty()
    }

    /// The fields as they stand after the change.
    pub fn apply(&self, fields: &[Value]) -> Result<Vec<Value>, String> {
        let mut fields = fields.to_vec();
        for (name, new_name) in &self.rename {
            let at = position(&fields, name)?;
            if position(&fields, new_name).is_ok() {
                return Err(format!("field {new_name:?} exists already"));
            }
            fields[at]["name"] = Value::String(new_name.clone());
        }
        for name in &self.remove {
            fields.remove(position(&fields, name)?);
        }
        for field in &self.modify {
            let at = position(&fields, field_name(field))?;
            fields[at] = field.clone();
        }
        for field in &self.add {
            let name = field_name(field);
            if position(&fields, name).is_ok() {
                return Err(format!("field {name:?} exists already"));
            }
            fields.push(field.clone());
        }
        if fields.is_empty() {
            return Err("no field would be left".to_owned());
        }
        Ok(fields)
    }
}

fn field_name(field: &Value) -> &str {
    field.get("name").and_then(Value::as_str).unwrap_or("")
}

fn position(fields: &[Value], name: &str) -> Result<usize, String> {
    fields
        .iter()
        .position(|field| field_name(field) == name)
        .ok_or_else(|| format!("no field {name:?}"))
}

fn text<'a>(body: &'a BodyObject, key: &str) -> Result<&'a str, String> {
    match body.get(key) {
        None | Some(Value::Null) => Err(format!("{key} is required")),
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        Some(_) => Err(format!("{key} must be a non-empty string")),
    }
}

fn list<'a>(body: &'a BodyObject, key: &str) -> Result<Option<&'a Vec<Value>>, String> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(_) => Err(format!("{key} must be an array")),
    }
}

fn url(value: &Value) -> Result<String, String> {
    let text = value.as_str().ok_or("urls must be strings")?;
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(text.to_owned()),
        Ok(_) | Err(_) => Err(format!("{text:?} is not an http(s) URL")),
    }
}

fn check_field(field: &Value) -> Result<(), String> {
    let field = field.as_object().ok_or("a field must be an object")?;
    text(field, "name").map_err(|error| format!("field: {error}"))?;
    text(field, "description").map_err(|error| format!("field: {error}"))?;
    match field.get("type").map(Value::as_str) {
        None | Some(Some("string" | "number" | "array")) => Ok(()),
        Some(_) => Err("field: type must be string, number or array".to_owned()),
    }
}

fn rename(value: &Value) -> Result<(String, String), String> {
    let item = value.as_object().ok_or("rename_fields: not an object")?;
    let part = |key| text(item, key).map_err(|error| format!("rename_fields: {error}"));
    Ok((part("name")?.to_owned(), part("new_name")?.to_owned()))
}

fn removal(value: &Value) -> Result<String, String> {
    let name = value.as_str().ok_or("remove_fields must contain names")?;
    Ok(name.to_owned())
}

fn check_scraper_params(params: &Value) -> Result<(), String> {
    let params = match params {
        Value::Null => return Ok(()),
        Value::Object(params) => params,
        _ => return Err("scraper_params must be an object".to_owned()),
    };
    for (name, value) in params {
        let is_right = match name.as_str() {
            "render" | "premium" | "ultra_premium" | "keep_headers" | "follow_redirect"
            | "retry_404" => value.is_boolean(),
            "country_code" => value.as_str().is_some_and(is_country_code),
            "session_number" => value.as_u64().is_some_and(|number| number >= 1),
            "device_type" => matches!(value.as_str(), Some("desktop" | "mobile")),
            // The list of parameters is the documents'; the service may know more.
            _ => true,
        };
        if !is_right {
            return Err(format!("scraper_params: {name} cannot be {value}"));
        }
    }
    let set = |name| params.get(name) == Some(&Value::Bool(true));
    if set("premium") && set("ultra_premium") {
        return Err("scraper_params: premium and ultra_premium exclude each other".to_owned());
    }
    Ok(())
}

fn is_country_code(text: &str) -> bool {
    text.len() == 2 && text.chars().all(|c| c.is_ascii_alphabetic())
}
