//! The reference of `xtask.toml`, from the schema that the manifest's types have made.

use anyhow::Context as _;
use serde_json::Value;

/// All keys, table by table, as Markdown.
pub(crate) fn text(schema: &str) -> anyhow::Result<String> {
    let schema: Value = serde_json::from_str(schema)?;
    let mut res = "# `xtask.toml`\n\nMade by `cargo xtask docs` from the types that read the manifest: do not edit it. \
                   Every key may be left out; an unknown one is an error. The same as a JSON schema: \
                   [xtask.schema.json](xtask.schema.json).\n\n"
        .to_owned();
    res.push_str(&keys(&schema, &schema)?);
    for (name, property) in properties(&schema)? {
        if let Some(table) = table(&schema, property)? {
            res.push_str(&format!("\n## `[{name}]`\n\n{}\n\n", description(table)));
            res.push_str(&keys(&schema, table)?);
        }
    }
    Ok(res)
}

fn properties(table: &Value) -> anyhow::Result<&serde_json::Map<String, Value>> {
    table["properties"].as_object().context("the schema has a table without properties")
}

/// What a property refers to, if that is a table of ours.
fn table<'a>(schema: &'a Value, property: &'a Value) -> anyhow::Result<Option<&'a Value>> {
    let found = resolved(schema, property)?;
    Ok(found["properties"].is_object().then_some(found))
}

fn resolved<'a>(schema: &'a Value, value: &'a Value) -> anyhow::Result<&'a Value> {
    let reference = value["$ref"].as_str().or_else(|| value["allOf"][0]["$ref"].as_str());
    let alternatives = value["anyOf"].as_array();
    let reference = reference.or_else(|| alternatives?.iter().find_map(|it| it["$ref"].as_str()));
    match reference {
        Some(it) => schema.pointer(it.trim_start_matches('#')).context("the schema refers to nothing"),
        None => Ok(value),
    }
}

fn keys(schema: &Value, table_: &Value) -> anyhow::Result<String> {
    let mut res = "| key | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    for (name, property) in properties(table_)? {
        if table(schema, property)?.is_some() {
            continue;
        }
        let default = match &property["default"] {
            Value::Null => String::new(),
            it => format!("`{it}`"),
        };
        let meaning = description(property);
        res.push_str(&format!("| `{name}` | {} | {default} | {meaning} |\n", kind(schema, property)?));
    }
    Ok(res)
}

fn description(value: &Value) -> String {
    value["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

fn kind(schema: &Value, property: &Value) -> anyhow::Result<String> {
    let found = resolved(schema, property)?;
    if let Some(choices) = found["oneOf"].as_array().or(found["anyOf"].as_array()) {
        let names: Vec<String> =
            choices.iter().filter_map(|it| it["const"].as_str()).map(|it| format!("`\"{it}\"`")).collect();
        if !names.is_empty() {
            return Ok(names.join(", "));
        }
    }
    if let Some(choices) = found["enum"].as_array() {
        return Ok(choices.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", "));
    }
    let types = match &found["type"] {
        Value::String(it) => it.clone(),
        Value::Array(them) => {
            let names = them.iter().filter_map(Value::as_str).filter(|it| *it != "null");
            names.collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    };
    Ok(match types.as_str() {
        "array" => format!("array of {}", kind(schema, &found["items"])?),
        "object" if found["properties"].is_object() => "table".to_owned(),
        "object" => format!("table of {}", kind(schema, &found["additionalProperties"])?),
        "integer" => "whole number".to_owned(),
        other => other.to_owned(),
    })
}
