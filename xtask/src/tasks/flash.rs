//! `cargo xtask flash`

mod image;
mod list;
mod write;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use xshell::cmd;

use self::image::Image;
use self::write::Writer;
use crate::companion::Companion;
use crate::context::Context;
use crate::disks::{self, Disk, Need, Refusal};
use crate::host::Os;
use crate::report::Report;

/// Write an image to a USB stick or SD card, and prove that it is there
///
/// The image may be raw or compressed by zstd, xz or gzip; where there is an IMAGE.sha256 beside it, that is compared. Only
/// whole disks that can be taken out are offered, and none that this system uses. You confirm by typing the disk's
/// name. Everything is read back. Only the small program that writes runs as root, by sudo.
#[derive(Debug, Clone, clap::Args)]
pub struct Flash {
    /// The image [default: the newest of `target/xtask/aleph/` and `result*/sd-image/`]
    image: Option<Utf8PathBuf>,
    /// The disk to overwrite, such as /dev/sda
    #[arg(long, value_name = "DEV")]
    device: Option<String>,
    /// The serial number that the disk must have; `--yes` wants it
    #[arg(long, value_name = "SERIAL")]
    serial: Option<String>,
    /// Show the disks that can be written to, and why others cannot
    #[arg(long, conflicts_with_all = ["image", "device", "serial", "no_eject"])]
    list: bool,
    /// Leave the disk in the system afterwards
    #[arg(long)]
    no_eject: bool,
}

impl Flash {
    pub(crate) fn run(self, cx: &mut Context) -> anyhow::Result<Report> {
        let disks = inventory(cx)?;
        if self.list {
            return Ok(list::report(cx, &disks));
        }
        // What can be refused at once is not refused after the image has been read.
        let named = self.device.as_deref().map(|it| self.named(cx, &disks, it, None)).transpose()?;
        if cx.globals.yes {
            self.named_in_full(named)?;
        }
        let path = image::choose(cx, self.image.as_deref())?;
        named.map_or(Ok(()), |it| elsewhere(&path, it))?;
        if !cx.globals.yes && !cx.globals.dry_run {
            askable(cx, &named.map_or_else(|| candidates(&disks, None), |it| Ok(vec![it]))?)?;
        }
        let companion = Companion::ready(cx, "xtask-disk")?;
        let image = Image::inspect(cx, &companion, path)?;
        cx.ui.status(&image.describe());
        let candidates = match &self.device {
            Some(device) => vec![self.named(cx, &disks, device, Some(image.need()))?],
            None => candidates(&disks, Some(image.need()))?,
        };
        let disk = if cx.globals.yes || cx.globals.dry_run {
            one(&candidates)?
        } else {
            confirmed(cx, &candidates)?
        };
        elsewhere(&image.path, disk)?;
        let writer = Writer { companion: &companion, image: &image, disk, eject: !self.no_eject };
        if cx.globals.dry_run {
            writer.plan(cx)?;
            return Ok(Report::done());
        }
        writer.run(cx)
    }

    /// The disk that was asked for, if it may be written to.
    fn named<'a>(
        &self,
        cx: &Context,
        disks: &'a [Disk],
        device: &str,
        need: Option<Need>,
    ) -> anyhow::Result<&'a Disk> {
        // Links such as /dev/disk/by-id/… name disks too.
        let real = cx.host.path(device).canonicalize_utf8().unwrap_or_default();
        let real = real.strip_prefix(&cx.host.root).map(|it| format!("/{it}"));
        let resolved = real.ok().filter(|it| device.starts_with('/') && it.starts_with("/dev/"));
        let disk = disks::find(disks, resolved.as_deref().unwrap_or(device)).map_err(anyhow::Error::msg)?;
        if let Some(refusal) = disk.refusal(need) {
            bail!("{} is refused: {refusal}", disk.describe());
        }
        match (&self.serial, &disk.serial) {
            (Some(want), Some(is)) if want != is => {
                bail!("{} is refused: its serial number is {is}, not {want}", disk.describe())
            }
            (Some(_), None) => {
                bail!(
                    "{} has no serial number to compare; leave `--serial` and `--yes` away and type its name",
                    disk.name
                )
            }
            _ => Ok(disk),
        }
    }

    /// Nobody is asked: then it must be said which disk is meant, in a way that another stick does not fit.
    fn named_in_full(&self, disk: Option<&Disk>) -> anyhow::Result<()> {
        match (disk, &self.serial) {
            (Some(_), Some(_)) => Ok(()),
            (Some(disk), None) => match &disk.serial {
                Some(serial) => bail!(
                    "`--yes` needs the disk's serial number too; if you mean {}: `--serial {serial}`",
                    disk.describe()
                ),
                None => bail!(
                    "`--yes` needs the disk's serial number, and {} has none; leave `--yes` away and type its name",
                    disk.describe()
                ),
            },
            (None, _) => {
                bail!("`--yes` needs `--device DEV` and `--serial SERIAL`; see `cargo xtask flash --list`")
            }
        }
    }
}

/// The disks of this machine.
fn inventory(cx: &Context) -> anyhow::Result<Vec<Disk>> {
    if cx.host.os == Os::Linux {
        return Ok(disks::linux::inventory(&cx.host));
    }
    let sh = &cx.sh;
    let list = cmd!(sh, "diskutil list -plist").quiet().read().context("cannot list the disks")?;
    let info = |name: &String| {
        let info = cmd!(sh, "diskutil info -plist {name}").quiet().read();
        info.with_context(|| format!("cannot look at the disk `{name}`"))
    };
    let infos: Vec<String> = disks::macos::names(&list)?.iter().map(info).collect::<anyhow::Result<_>>()?;
    disks::macos::inventory(&list, &infos)
}

/// The disks that an image may be written to.
fn candidates(disks: &[Disk], need: Option<Need>) -> anyhow::Result<Vec<&Disk>> {
    let (good, refused): (Vec<&Disk>, Vec<&Disk>) = disks.iter().partition(|it| it.refusal(need).is_none());
    if !good.is_empty() {
        return Ok(good);
    }
    // Those that somebody may have plugged in for this.
    let mut near = Vec::new();
    for disk in refused {
        match disk.refusal(need) {
            None
            | Some(
                Refusal::Fixed(_) | Refusal::Composite | Refusal::Memory | Refusal::Optical | Refusal::Emmc,
            ) => {}
            Some(refusal) if disk.removable || disk.eject.is_some() => {
                near.push(format!("\n  {}: {refusal}", disk.describe()));
            }
            Some(_) => {}
        }
    }
    bail!(
        "there is no disk to write to: plug in a USB stick or an SD card (`cargo xtask flash --list` shows all disks){}",
        near.concat()
    )
}

/// Refuses an image that would be overwritten by itself.
fn elsewhere(image: &Utf8Path, disk: &Disk) -> anyhow::Result<()> {
    match disk.uses.iter().find(|it| image.starts_with(it)) {
        Some(place) => {
            bail!(
                "`{image}` is on {} itself, which is mounted at {place}; copy it to another disk first",
                disk.name
            )
        }
        None => Ok(()),
    }
}

/// The only one, where nobody is asked.
fn one<'a>(candidates: &[&'a Disk]) -> anyhow::Result<&'a Disk> {
    match candidates {
        [disk] => Ok(disk),
        many => {
            let names: Vec<&str> = many.iter().map(|it| it.path.as_str()).collect();
            bail!("there are several disks; choose one with `--device`: {}", names.join(", "))
        }
    }
}

/// Whether somebody is there to type a name. Known before the image is read, which takes minutes.
fn askable(cx: &Context, candidates: &[&Disk]) -> anyhow::Result<()> {
    if cx.ui.can_ask() {
        return Ok(());
    }
    bail!("without a terminal nobody can type the disk's name; {}", instead(candidates))
}

/// What to type where nobody can be asked.
fn instead(candidates: &[&Disk]) -> String {
    match candidates {
        [Disk { path, serial: Some(serial), .. }] => format!("say `--yes --device {path} --serial {serial}`"),
        many => {
            let there: Vec<String> = many.iter().map(|it| it.describe()).collect();
            format!("say `--yes --device DEV --serial SERIAL`; there are: {}", there.join(", "))
        }
    }
}

/// The disk whose name the user types.
fn confirmed<'a>(cx: &mut Context, candidates: &[&'a Disk]) -> anyhow::Result<&'a Disk> {
    for disk in candidates {
        let mounts = if disk.mounts.is_empty() {
            String::new()
        } else {
            format!(", mounted at {}", disk.mounts.join(", "))
        };
        cx.ui.status(&format!("  {}{mounts}", disk.describe()));
    }
    let names: Vec<&str> = candidates.iter().map(|it| it.name.as_str()).collect();
    let question = match candidates {
        [disk] => format!("All that is on {} will be lost. Type its name to go on:", disk.name),
        _ => format!(
            "All that is on the disk will be lost. Type the name of the one to overwrite ({}):",
            names.join(", ")
        ),
    };
    let answer = cx.ui.ask(&question, &instead(candidates), &cx.interrupt)?;
    let typed = answer.strip_prefix("/dev/").unwrap_or(&answer);
    let disk = candidates.iter().find(|it| it.name == typed);
    disk.copied().with_context(|| format!("`{answer}` is not {}; nothing was written", names.join(" or ")))
}
