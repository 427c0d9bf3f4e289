//! Resolves every `follows` of a lock to the node that it means in the end.

use std::collections::BTreeMap;

use crate::lock::{RawInput, RawNode, Resolved};

/// Longer chains are nobody's lock, but would use up the stack.
const LONGEST_CHAIN: usize = 500;

/// What is wrong with an input of a node.
#[derive(Debug)]
pub(crate) struct BadFollows {
    pub(crate) node: String,
    pub(crate) input: String,
    pub(crate) what: String,
}

/// Where each input of each node leads, and that each `parent` leads somewhere.
pub(crate) fn resolve(nodes: &BTreeMap<String, RawNode>, root: &str) -> Result<Resolved, BadFollows> {
    let mut resolver = Resolver { nodes, root, resolved: BTreeMap::new(), under_way: Vec::new() };
    for (key, node) in nodes {
        for name in node.inputs.keys() {
            resolver.input(key, name)?;
        }
        if let Some(parent) = &node.parent {
            let bad = |what| BadFollows { node: key.clone(), input: "parent".to_owned(), what };
            resolver.path(parent)?.map_err(|it| bad(format!("the parent of `{key}` is {it}")))?;
        }
    }
    let owned =
        |((node, input), to): ((&str, &str), &str)| ((node.to_owned(), input.to_owned()), to.to_owned());
    Ok(resolver.resolved.into_iter().map(owned).collect())
}

struct Resolver<'a> {
    nodes: &'a BTreeMap<String, RawNode>,
    root: &'a str,
    resolved: BTreeMap<(&'a str, &'a str), &'a str>,
    /// The inputs that wait for the one that is being resolved.
    under_way: Vec<(&'a str, &'a str)>,
}

impl<'a> Resolver<'a> {
    /// The node that an input is in the end. The input must exist.
    fn input(&mut self, node: &'a str, name: &'a str) -> Result<&'a str, BadFollows> {
        if let Some(found) = self.resolved.get(&(node, name)) {
            return Ok(found);
        }
        let bad = |what| BadFollows { node: node.to_owned(), input: name.to_owned(), what };
        let nodes = self.nodes;
        let found = match nodes.get(node).and_then(|it| it.inputs.get(name)) {
            None => return Err(bad(format!("`{node}` has no input `{name}`"))),
            Some(RawInput::Node(key)) if nodes.contains_key(key) => key.as_str(),
            Some(RawInput::Node(key)) => {
                return Err(bad(format!(
                    "the input `{name}` of `{node}` is the node `{key}`, which is missing"
                )));
            }
            Some(RawInput::Follows(path)) => {
                if let Some(start) = self.under_way.iter().position(|it| *it == (node, name)) {
                    return Err(bad(self.cycle(start)));
                }
                if self.under_way.len() >= LONGEST_CHAIN {
                    return Err(bad(format!(
                        "the input `{name}` of `{node}` follows more than {LONGEST_CHAIN} others"
                    )));
                }
                self.under_way.push((node, name));
                let found = self.path(path)?;
                self.under_way.pop();
                found.map_err(|it| bad(format!("the input `{name}` of `{node}` follows {it}")))?
            }
        };
        self.resolved.insert((node, name), found);
        Ok(found)
    }

    /// The node at the end of a path of inputs from the root; the inner error says that there is none.
    fn path(&mut self, path: &'a [String]) -> Result<Result<&'a str, String>, BadFollows> {
        let mut node = self.root;
        for name in path {
            if !self.nodes.get(node).is_some_and(|it| it.inputs.contains_key(name)) {
                return Ok(Err(format!("`{}`, but there is no such input", path.join("/"))));
            }
            node = self.input(node, name)?;
        }
        Ok(Ok(node))
    }

    fn cycle(&self, start: usize) -> String {
        let links = self.under_way.iter().skip(start).chain(self.under_way.get(start));
        let names: Vec<String> = links.map(|(node, name)| format!("`{name}` of `{node}`")).collect();
        format!("these inputs follow each other in a circle: {}", names.join(" → "))
    }
}
