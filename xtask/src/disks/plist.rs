//! Property lists, as far as `diskutil` writes them: XML without attributes that mean something.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Dict(BTreeMap<String, Value>),
    Array(Vec<Value>),
    /// Also dates and binary data, of which there is no use here.
    Text(String),
    Integer(i64),
    Bool(bool),
}

impl Value {
    /// # Errors
    /// When it is no property list.
    pub(super) fn parse(text: &str) -> anyhow::Result<Value> {
        let (_, rest) = text.split_once("<plist").context("no property list")?;
        let (_, rest) = rest.split_once('>').context("no property list")?;
        Parser { rest }.value().context("a damaged property list")
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Dict(it) => it.get(key),
            _ => None,
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::Text(it)) if !it.is_empty() => Some(it),
            _ => None,
        }
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        match self.get(key) {
            Some(Value::Integer(it)) => u64::try_from(*it).ok(),
            _ => None,
        }
    }

    pub(super) fn is(&self, key: &str) -> bool {
        self.get(key) == Some(&Value::Bool(true))
    }

    pub(super) fn list(&self, key: &str) -> &[Value] {
        match self.get(key) {
            Some(Value::Array(it)) => it,
            _ => &[],
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> anyhow::Result<Value> {
        let (tag, empty) = self.tag()?;
        Ok(match (tag, empty) {
            ("true", true) => Value::Bool(true),
            ("false", true) => Value::Bool(false),
            ("dict", true) => Value::Dict(BTreeMap::new()),
            ("array", true) => Value::Array(Vec::new()),
            (_, true) => Value::Text(String::new()),
            ("dict", false) => {
                let mut res = BTreeMap::new();
                while !self.closes("dict")? {
                    let ("key", false) = self.tag()? else { bail!("no key") };
                    let key = self.content("key")?;
                    res.insert(key, self.value()?);
                }
                Value::Dict(res)
            }
            ("array", false) => {
                let mut res = Vec::new();
                while !self.closes("array")? {
                    res.push(self.value()?);
                }
                Value::Array(res)
            }
            ("integer", false) => Value::Integer(self.content("integer")?.trim().parse()?),
            (tag, false) => Value::Text(self.content(tag)?),
        })
    }

    /// The next opening tag, and whether it is also the closing one.
    fn tag(&mut self) -> anyhow::Result<(&'a str, bool)> {
        let (_, rest) = self.rest.split_once('<').context("it ends too early")?;
        let (tag, rest) = rest.split_once('>').context("it ends too early")?;
        self.rest = rest;
        let name = tag.trim_end_matches('/').split_whitespace().next().unwrap_or_default();
        Ok((name, tag.ends_with('/')))
    }

    fn closes(&mut self, tag: &str) -> anyhow::Result<bool> {
        let rest = self.rest.trim_start();
        if rest.is_empty() {
            bail!("it ends too early");
        }
        let closed =
            rest.strip_prefix("</").and_then(|it| it.strip_prefix(tag)).and_then(|it| it.strip_prefix('>'));
        if let Some(rest) = closed {
            self.rest = rest;
        }
        Ok(closed.is_some())
    }

    fn content(&mut self, tag: &str) -> anyhow::Result<String> {
        let (text, rest) = self.rest.split_once(&format!("</{tag}>")).context("it ends too early")?;
        self.rest = rest;
        let text = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
            .iter()
            .fold(text.to_owned(), |text, (code, letter)| text.replace(code, letter));
        Ok(text)
    }
}
