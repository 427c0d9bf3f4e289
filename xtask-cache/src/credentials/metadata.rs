//! Credentials that Amazon gives to a container or a machine, by HTTP on an address of its own.

use std::time::Duration;

use ureq::Agent;

use super::{Credentials, Printed};
use crate::machine::Machine;

/// Elsewhere nobody answers at these addresses, and nobody wants to wait.
const PATIENCE: Duration = Duration::from_secs(1);
const CONTAINER: &str = "http://169.254.170.2";
const INSTANCE: &str = "http://169.254.169.254";
/// Hosts to which a container's token may be sent without TLS: its own.
const OWN: [&str; 5] = ["127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23"];

/// Of ECS and EKS.
pub(super) fn container(machine: &Machine, tried: &mut Vec<String>) -> Option<Credentials> {
    let url = match machine.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        Some(path) => format!("{CONTAINER}{path}"),
        None => machine.env("AWS_CONTAINER_CREDENTIALS_FULL_URI")?.to_owned(),
    };
    let host = url.strip_prefix("http://").map(|it| it.split(['/', '?']).next().unwrap_or_default());
    let own = host.is_none_or(|host| OWN.iter().any(|it| host == *it || host.starts_with(&format!("{it}:"))));
    if !own {
        tried.push(format!("the container: `{url}` is neither https nor the container's own"));
        return None;
    }
    let file = machine.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    let token = file.and_then(|it| std::fs::read_to_string(it).ok()).map(|it| it.trim().to_owned());
    let token = token.or(machine.env("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(str::to_owned));
    let header = token.as_deref().map(|it| ("authorization", it));
    match ask("GET", &url, header).and_then(|it| printed(&it)) {
        Ok(it) => Some(it.from("the container".to_owned())),
        Err(error) => {
            tried.push(format!("the container: {error}"));
            None
        }
    }
}

/// Of EC2, by its second protocol.
pub(super) fn instance(machine: &Machine, tried: &mut Vec<String>) -> Option<Credentials> {
    if machine.env("AWS_EC2_METADATA_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        tried.push("the machine: AWS_EC2_METADATA_DISABLED is set".to_owned());
        return None;
    }
    let base = machine.env("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(INSTANCE).trim_end_matches('/');
    let role = || -> Result<(String, Printed), String> {
        let ttl = Some(("x-aws-ec2-metadata-token-ttl-seconds", "21600"));
        let token = ask("PUT", &format!("{base}/latest/api/token"), ttl)?;
        let token = Some(("x-aws-ec2-metadata-token", token.as_str()));
        let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
        let role = ask("GET", &roles, token)?.lines().next().unwrap_or_default().trim().to_owned();
        let printed = printed(&ask("GET", &format!("{roles}{role}"), token)?)?;
        Ok((role, printed))
    };
    match role() {
        Ok((role, it)) => Some(it.from(format!("this machine's role `{role}`"))),
        Err(error) => {
            tried.push(format!("the machine's role ({base}): {error}"));
            None
        }
    }
}

fn printed(text: &str) -> Result<Printed, String> {
    serde_json::from_str(text).map_err(|_| "the answer is no credentials".to_owned())
}

/// One request, past all proxies.
fn ask(method: &str, url: &str, header: Option<(&str, &str)>) -> Result<String, String> {
    let config = Agent::config_builder().proxy(None).timeout_global(Some(PATIENCE)).build();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let agent = Agent::new_with_config(config);
    let answer = match method {
        "PUT" => request.body(&b""[..]).map(|it| agent.run(it)),
        _ => request.body(&b""[..]).map(|it| {
            let (head, _) = it.into_parts();
            agent.run(ureq::http::Request::from_parts(head, ()))
        }),
    };
    let mut answer = answer.map_err(|it| it.to_string())?.map_err(|it| match it {
        ureq::Error::Timeout(_) => "nobody answers".to_owned(),
        it => it.to_string(),
    })?;
    answer.body_mut().read_to_string().map_err(|it| it.to_string())
}
