//! Writing YAML, as much of it as pipelines need. Every text that could be read as something else is quoted.

/// A value of a YAML document. Maps keep their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Yaml {
    Bool(bool),
    Number(i64),
    Text(String),
    /// A text with a remark for people behind it.
    Remarked(String, String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Yaml {
        Yaml::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Yaml {
        Yaml::Text(text)
    }
}

impl From<u32> for Yaml {
    fn from(number: u32) -> Yaml {
        Yaml::Number(number.into())
    }
}

impl From<bool> for Yaml {
    fn from(it: bool) -> Yaml {
        Yaml::Bool(it)
    }
}

impl<T: Into<Yaml>> From<Vec<T>> for Yaml {
    fn from(items: Vec<T>) -> Yaml {
        Yaml::List(items.into_iter().map(Into::into).collect())
    }
}

/// A map from its entries.
#[must_use]
pub fn map(entries: impl IntoIterator<Item = (&'static str, Yaml)>) -> Yaml {
    Yaml::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A document with lines of remarks above it.
#[must_use]
pub fn document(head: &str, value: &Yaml) -> String {
    let mut res: String = head.lines().map(|it| format!("# {it}\n")).collect();
    block(value, 0, &mut res);
    res
}

fn block(value: &Yaml, indent: usize, res: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Yaml::Map(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                // The key that begins a workflow is written bare everywhere.
                res.push_str(&format!("{pad}{}:", if key == "on" { key.clone() } else { scalar(key) }));
                after_key(value, indent, res);
            }
        }
        Yaml::List(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                match item {
                    Yaml::Map(it) if !it.is_empty() => block(item, indent + 2, &mut inner),
                    Yaml::List(it) if !it.is_empty() => block(item, indent + 2, &mut inner),
                    _ => after_key(item, indent, &mut inner),
                }
                // The first line of what is inside begins on the line of the dash.
                res.push_str(&format!("{pad}- {}", inner.trim_start_matches(' ')));
            }
        }
        _ => after_key(value, indent, res),
    }
}

fn after_key(value: &Yaml, indent: usize, res: &mut String) {
    match value {
        Yaml::Map(it) if !it.is_empty() => {
            res.push('\n');
            block(value, indent + 2, res);
        }
        Yaml::List(it) if !it.is_empty() => {
            res.push('\n');
            block(value, indent + 2, res);
        }
        Yaml::Map(_) => res.push_str(" {}\n"),
        Yaml::List(_) => res.push_str(" []\n"),
        Yaml::Bool(it) => res.push_str(&format!(" {it}\n")),
        Yaml::Number(it) => res.push_str(&format!(" {it}\n")),
        Yaml::Remarked(text, remark) => res.push_str(&format!(" {} # {remark}\n", scalar(text))),
        Yaml::Text(text) if is_literal(text) => {
            let pad = " ".repeat(indent + 2);
            res.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
            for line in text.lines() {
                let gap = if line.is_empty() { "" } else { &pad };
                res.push_str(&format!("{gap}{line}\n"));
            }
        }
        Yaml::Text(text) => res.push_str(&format!(" {}\n", scalar(text))),
    }
}

/// Whether a text reads best as it is, line by line.
fn is_literal(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
        && text.chars().all(|it| it == '\n' || !it.is_control())
        && text.lines().all(|it| !it.ends_with(' '))
}

/// A text on one line.
fn scalar(text: &str) -> String {
    let letter = |it: char| it.is_ascii_alphanumeric() || "_./-@+= ${}()!&|<>'\"~^,*?".contains(it);
    let first = |it: char| it.is_ascii_alphabetic() || "/._$".contains(it);
    // Words that mean something else, to one version of YAML or another.
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let plain = text.starts_with(first)
        && text.chars().all(letter)
        && !text.ends_with(' ')
        && !text.contains(" #")
        && !words.contains(&text.to_lowercase().as_str())
        && text != "."
        && !text.starts_with("..")
        && text.trim_start_matches('.').starts_with(|it: char| !it.is_ascii_digit());
    if plain {
        return text.to_owned();
    }
    // JSON's strings are YAML's.
    serde_json::Value::from(text).to_string()
}
