//! `cargo xtask flash --list`

use serde_json::json;

use crate::context::Context;
use crate::disks::Disk;
use crate::report::{Report, Table, bytes};

/// Those that can be written to first; the others with the reason.
pub(super) fn report(cx: &Context, disks: &[Disk]) -> Report {
    let mut table = Table::new(&["disk", "model", "serial", "size", "by", "partitions", "flash"]);
    let mut sorted: Vec<&Disk> = disks.iter().collect();
    sorted.sort_by_key(|it| it.refusal(None).is_some());
    let text = |it: &Option<String>| it.clone().unwrap_or_else(|| "-".to_owned());
    for disk in &sorted {
        let status = match disk.refusal(None) {
            None => "yes".to_owned(),
            Some(refusal) => cx.ui.paint("2", &format!("no: {refusal}")),
        };
        table.rows.push(vec![
            disk.path.clone(),
            text(&disk.model),
            text(&disk.serial),
            bytes(disk.size),
            disk.transport.to_string(),
            disk.partitions.len().to_string(),
            status,
        ]);
    }
    let good = sorted.iter().filter(|it| it.refusal(None).is_none());
    let lines: Vec<String> = good.map(|it| it.path.clone()).collect();
    let notes = if sorted.is_empty() { vec!["there is no disk at all".to_owned()] } else { Vec::new() };
    let json =
        json!({"version": 1, "ok": true, "disks": sorted.iter().map(|it| json_of(it)).collect::<Vec<_>>()});
    Report { ok: true, lines, notes, table, json, ..Report::default() }
}

pub(super) fn json_of(disk: &Disk) -> serde_json::Value {
    json!({
        "name": disk.name,
        "path": disk.path,
        "model": disk.model,
        "serial": disk.serial,
        "size": disk.size,
        "sector": disk.sector,
        "transport": disk.transport,
        "removable": disk.removable,
        "partitions": disk.partitions,
        "mounts": disk.mounts,
        "uses": disk.uses,
        "refused": disk.refusal(None).map(|it| it.to_string()),
    })
}
