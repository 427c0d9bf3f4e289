//! What S3 says, as XML.

use roxmltree::{Document, Node};

use super::Entry;
use crate::calendar;

/// `<Error>`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
}

/// A page of a list of objects.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    /// What the next page is asked for with.
    pub(super) next: Option<String>,
}

/// A part of an upload that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) number: u32,
    pub(super) size: u64,
    pub(super) etag: Option<String>,
}

/// Why a request was refused. Some servers say nothing, or HTML.
#[must_use]
pub(super) fn refusal(text: &str) -> Refusal {
    let Ok(document) = Document::parse(text) else { return Refusal::default() };
    let root = document.root_element();
    Refusal {
        code: child(root, "Code").unwrap_or_default(),
        message: child(root, "Message").unwrap_or_default(),
    }
}

/// Of `ListObjectsV2`, with keys encoded as in URLs. `None` when it is something else.
#[must_use]
pub(super) fn page(text: &str) -> Option<Page> {
    let document = Document::parse(text).ok()?;
    let root = document.root_element();
    if root.tag_name().name() != "ListBucketResult" {
        return None;
    }
    let encoded = child(root, "EncodingType").is_some_and(|it| it == "url");
    let mut res = Page::default();
    for object in children(root, "Contents") {
        let key = child(object, "Key")?;
        res.entries.push(Entry {
            key: if encoded { decode(&key)? } else { key },
            size: child(object, "Size")?.parse().ok()?,
            modified: child(object, "LastModified").and_then(|it| calendar::iso8601(&it)),
        });
    }
    if child(root, "IsTruncated").is_some_and(|it| it == "true") {
        // A list that says that it goes on, and not how, would look complete.
        res.next = Some(child(root, "NextContinuationToken")?);
    }
    Some(res)
}

/// Of `CreateMultipartUpload`.
#[must_use]
pub(super) fn upload_id(text: &str) -> Option<String> {
    child(Document::parse(text).ok()?.root_element(), "UploadId")
}

/// Of `ListParts`, and the number after which the next page begins.
#[must_use]
pub(super) fn parts(text: &str) -> Option<(Vec<Part>, Option<String>)> {
    let document = Document::parse(text).ok()?;
    let root = document.root_element();
    if root.tag_name().name() != "ListPartsResult" {
        return None;
    }
    let mut res = Vec::new();
    for part in children(root, "Part") {
        res.push(Part {
            number: child(part, "PartNumber")?.parse().ok()?,
            size: child(part, "Size")?.parse().ok()?,
            etag: child(part, "ETag"),
        });
    }
    let more = child(root, "IsTruncated").is_some_and(|it| it == "true");
    Some((res, child(root, "NextPartNumberMarker").filter(|_| more)))
}

/// `CompleteMultipartUpload` can fail with status 200; then it says so in here.
#[must_use]
pub(super) fn is_complete(text: &str) -> bool {
    Document::parse(text)
        .is_ok_and(|it| it.root_element().tag_name().name() == "CompleteMultipartUploadResult")
}

fn children<'a, 'b>(node: Node<'a, 'b>, name: &'static str) -> impl Iterator<Item = Node<'a, 'b>> {
    node.children().filter(move |it| it.is_element() && it.tag_name().name() == name)
}

fn child(node: Node<'_, '_>, name: &'static str) -> Option<String> {
    children(node, name).next().and_then(|it| it.text()).map(str::to_owned)
}

fn decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut res: Vec<u8> = parts.next().unwrap_or_default().replace('+', " ").into_bytes();
    for part in parts {
        res.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        res.extend(part.get(2..)?.replace('+', " ").bytes());
    }
    String::from_utf8(res).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>a=&amp;b</NextContinuationToken>
<Contents><Key>nar/a%2Bb+c.nar</Key><LastModified>2026-11-22T22:29:18.000Z</LastModified><ETag>&quot;x&quot;</ETag><Size>120</Size></Contents>
<CommonPrefixes><Prefix>nar/</Prefix></CommonPrefixes></ListBucketResult>"#;
        let page = page(text).unwrap();
        assert_eq!(page.next.as_deref(), Some("a=&b"));
        assert_eq!((page.entries[0].key.as_str(), page.entries[0].size), ("nar/a+b c.nar", 120));
        assert!(page.entries[0].modified.is_some());
    }

    #[test]
    fn what_is_no_list() {
        for text in
            ["", "<html></html>", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"]
        {
            assert!(page(text).is_none(), "{text}");
        }
    }

    #[test]
    fn refusals() {
        let text = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        assert_eq!(refusal(text).code, "AccessDenied");
        assert_eq!(refusal("<!doctype html><p>no"), Refusal::default());
    }
}
