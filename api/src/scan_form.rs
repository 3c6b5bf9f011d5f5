//! The input of a scan: the SBOM alone as the body, or a form with further documents.
//!
//! The form is `multipart/form-data`, so a build without our client can use `curl -F sbom=@sbom.json -F
//! policy=@policy.yaml -F vex=@supplier.json`. The writer and the reader are both in this file, so that they stay the
//! same.

use std::error::Error as _;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::{BufMut, Bytes, BytesMut};
use multer::{Constraints, Multipart, SizeLimit};
use starling_api_types::{ErrorCode, Problem};

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::{PartialSchema, ToSchema};

use crate::limits::{
    BASELINE_MAX_BYTES, POLICY_MAX_BYTES, REGO_MAX_BYTES, SBOM_MAX_BYTES, SCAN_FORM_MAX_BYTES, VEX_MAX_BYTES,
    VEX_MAX_DOCUMENTS, VEX_TOTAL_MAX_BYTES,
};
use crate::openapi::Binary;

/// Content type of a body that is the SBOM itself; its kind is detected from its content.
const PLAIN: &str = "application/octet-stream";
const FORM: &str = "multipart/form-data";

const SBOM: &str = "sbom";
const BASELINE: &str = "baseline";
const POLICY: &str = "policy";
const REGO: &str = "rego";
const VEX: &str = "vex";
/// All parts of the form, each with its largest size in bytes and a description.
const PARTS: &[(&str, u64, &str)] = &[
    (
        SBOM,
        SBOM_MAX_BYTES,
        "The SBOM; its kind is detected from its content.",
    ),
    (
        BASELINE,
        BASELINE_MAX_BYTES,
        "An earlier verdict: only findings that it does not contain can fail.",
    ),
    (
        POLICY,
        POLICY_MAX_BYTES,
        "A policy that replaces both of the site's policies: YAML or Rego (detected).",
    ),
    (
        REGO,
        REGO_MAX_BYTES,
        "A Rego policy, used together with `policy`. Replaces both of the site's policies.",
    ),
    (
        VEX,
        VEX_MAX_BYTES,
        "VEX documents, in addition to the stored ones: one per part, in several parts.",
    ),
];

/// The form in the API's description, built from the same list that the reader uses.
pub(crate) struct ScanForm;

impl PartialSchema for ScanForm {
    fn schema() -> RefOr<Schema> {
        let part = |about: &str| {
            ObjectBuilder::new()
                .schema_type(SchemaType::Type(Type::String))
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
                .description(Some(about))
        };
        let form = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
        let form = PARTS.iter().fold(form, |form, (name, _, about)| {
            if *name == VEX {
                let parts = ArrayBuilder::new()
                    .items(Binary::schema())
                    .max_items(Some(VEX_MAX_DOCUMENTS))
                    .description(Some(*about));
                form.property(*name, parts)
            } else {
                form.property(*name, part(about))
            }
        });
        form.required(SBOM).into()
    }
}

impl ToSchema for ScanForm {}

/// The documents of one scan.
#[derive(Debug, Clone, Default)]
pub struct ScanDocuments {
    /// The SBOM; its kind is detected from its content.
    pub sbom: Bytes,
    /// An earlier verdict, with or without its envelope: only findings that it does not contain can fail.
    pub baseline: Option<Bytes>,
    /// A policy that replaces both of the site's policies: YAML or Rego, detected from its content.
    pub policy: Option<Bytes>,
    /// A Rego policy, used together with `policy`. With either, neither of the site's own policies is used.
    pub rego: Option<Bytes>,
    /// VEX documents of any kind.
    pub vex: Vec<Bytes>,
}

impl From<Bytes> for ScanDocuments {
    fn from(sbom: Bytes) -> Self {
        Self {
            sbom,
            ..Self::default()
        }
    }
}

impl ScanDocuments {
    /// Returns the body and content type of a call with these documents.
    pub fn into_body(self) -> (String, Bytes) {
        let mut parts = vec![(SBOM, self.sbom)];
        parts.extend(self.baseline.map(|baseline| (BASELINE, baseline)));
        parts.extend(self.policy.map(|policy| (POLICY, policy)));
        parts.extend(self.rego.map(|rego| (REGO, rego)));
        parts.extend(self.vex.into_iter().map(|vex| (VEX, vex)));
        if let [(_, sbom)] = parts.as_slice() {
            return (PLAIN.to_owned(), sbom.clone());
        }
        let boundary = boundary(&parts);
        let mut body = BytesMut::new();
        for (name, bytes) in &parts {
            body.put(
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(),
            );
            body.put(bytes.as_ref());
            body.put(&b"\r\n"[..]);
        }
        body.put(format!("--{boundary}--\r\n").as_bytes());
        (format!("{FORM}; boundary={boundary}"), body.freeze())
    }

    /// Returns true if the body of a call is a form.
    pub(crate) fn is_form(headers: &HeaderMap) -> bool {
        form_type(headers).is_some()
    }

    /// Returns the largest allowed size of the call's body, in bytes.
    pub(crate) fn most_bytes(headers: &HeaderMap) -> u64 {
        match form_type(headers) {
            Some(_) => SCAN_FORM_MAX_BYTES,
            None => SBOM_MAX_BYTES,
        }
    }

    /// Reads the body of a call.
    pub(crate) async fn from_bytes(headers: &HeaderMap, body: Bytes) -> Result<Self, Problem> {
        let Some(content_type) = form_type(headers) else {
            return Ok(body.into());
        };
        let boundary = multer::parse_boundary(content_type).map_err(refusal)?;
        check_ends(&body, &boundary)?;
        let stream = futures::stream::once(std::future::ready(Ok::<_, std::convert::Infallible>(body)));
        let mut sizes = SizeLimit::new().whole_stream(SCAN_FORM_MAX_BYTES);
        for (name, most, _) in PARTS {
            sizes = sizes.for_field(*name, *most);
        }
        let names = PARTS.iter().map(|(name, _, _)| *name).collect();
        let constraints = Constraints::new().allowed_fields(names).size_limit(sizes);
        let mut form = Multipart::with_constraints(stream, boundary, constraints);
        let (mut sbom, mut baseline, mut policy, mut rego) = (None, None, None, None);
        let mut vex: Vec<Bytes> = Vec::new();
        let mut vex_bytes = 0;
        while let Some(part) = form.next_field().await.map_err(refusal)? {
            let name = part.name().unwrap_or_default().to_owned();
            check_encoding(&name, part.headers())?;
            let bytes = part.bytes().await.map_err(refusal)?;
            let place = match name.as_str() {
                SBOM => &mut sbom,
                BASELINE => &mut baseline,
                POLICY => &mut policy,
                REGO => &mut rego,
                VEX => {
                    vex_bytes += bytes.len() as u64;
                    if vex.len() >= VEX_MAX_DOCUMENTS || vex_bytes > VEX_TOTAL_MAX_BYTES {
                        return Err(Problem::new(
                            ErrorCode::BodyTooLarge,
                            format!(
                                "reading the form of a scan: it has more than {VEX_MAX_DOCUMENTS} VEX \
                                documents, or more than {VEX_TOTAL_MAX_BYTES} bytes of them"
                            ),
                        ));
                    }
                    vex.push(bytes);
                    continue;
                }
                _ => {
                    return Err(bad_form(&format!(
                        "it has an unknown part `{}`",
                        shortened(&name)
                    )));
                }
            };
            if place.replace(bytes).is_some() {
                return Err(bad_form(&format!("it has the part `{name}` twice")));
            }
        }
        let sbom = sbom.ok_or_else(|| bad_form("it has no part `sbom`"))?;
        Ok(Self {
            sbom,
            baseline,
            policy,
            rego,
            vex,
        })
    }
}

/// Returns the content type of a form body.
fn form_type(headers: &HeaderMap) -> Option<&str> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(FORM).then_some(content_type)
}

/// Refuses text around the parts: a document behind a wrong boundary would be left out.
fn check_ends(body: &[u8], boundary: &str) -> Result<(), Problem> {
    let body = body.trim_ascii();
    if !body.is_empty() && !body.starts_with(format!("--{boundary}").as_bytes()) {
        return Err(bad_form("it has text before its first part"));
    }
    let end = format!("\r\n--{boundary}--");
    let found = body
        .windows(end.len())
        .position(|window| window == end.as_bytes());
    // A form without an end is refused as incomplete.
    if found.is_some_and(|at| at + end.len() < body.len()) {
        return Err(bad_form("it has text after its last part"));
    }
    Ok(())
}

/// Refuses a part that is not sent as it is.
fn check_encoding(name: &str, headers: &HeaderMap) -> Result<(), Problem> {
    for (header, plain) in [
        ("content-transfer-encoding", &["7bit", "8bit", "binary"][..]),
        ("content-encoding", &["identity"][..]),
    ] {
        let Some(found) = headers.get(header) else {
            continue;
        };
        let found = String::from_utf8_lossy(found.as_bytes());
        if !plain.iter().any(|plain| found.trim().eq_ignore_ascii_case(plain)) {
            return Err(bad_form(&format!(
                "its part `{}` is encoded as `{}`, and parts are taken as they are",
                shortened(name),
                shortened(&found)
            )));
        }
    }
    Ok(())
}

/// Returns a boundary that none of the parts contains; the same parts give the same boundary.
fn boundary(parts: &[(&str, Bytes)]) -> String {
    let mut number = 0_u64;
    loop {
        let boundary = format!("starling-scan-form-{number}");
        let inside = |bytes: &Bytes| {
            bytes
                .windows(boundary.len())
                .any(|window| window == boundary.as_bytes())
        };
        if !parts.iter().any(|(_, bytes)| inside(bytes)) {
            return boundary;
        }
        number += 1;
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn bad_form(found: &str) -> Problem {
    let names: Vec<_> = PARTS.iter().map(|(name, _, _)| *name).collect();
    Problem::new(
        ErrorCode::BadRequest,
        format!("reading the form of a scan: {found}"),
    )
    .hint(format!(
        "a form must have the part `sbom`, and may have these: {}",
        names.join(", ")
    ))
}

fn refusal(error: multer::Error) -> Problem {
    match error {
        multer::Error::FieldSizeExceeded { limit, field_name } => {
            let name = field_name.unwrap_or_default();
            Problem::new(
                ErrorCode::BodyTooLarge,
                format!("reading the form of a scan: its part `{name}` has more than {limit} bytes"),
            )
        }
        multer::Error::UnknownField { field_name } => bad_form(&format!(
            "it has an unknown part `{}`",
            shortened(&field_name.unwrap_or_default())
        )),
        other => {
            let cause = other.source().map(ToString::to_string);
            bad_form(&cause.unwrap_or_else(|| other.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(content_type: &str, body: impl Into<Bytes>) -> Result<ScanDocuments, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        ScanDocuments::from_bytes(&headers, body.into()).await
    }

    #[tokio::test]
    async fn form_round_trips_for_any_documents() {
        let hostile = b"\r\n--starling-scan-form-0--\r\n\x00\xff--starling-scan-form-1".as_slice();
        for baseline in [None, Some(Bytes::from_static(hostile)), Some(Bytes::new())] {
            let documents = ScanDocuments {
                sbom: Bytes::from_static(b"{\"a\": \"\r\n\"}"),
                baseline: baseline.clone(),
                policy: baseline.clone(),
                rego: baseline.clone(),
                vex: vec![Bytes::from_static(hostile); 2],
            };
            let (content_type, body) = documents.clone().into_body();
            let back = read(&content_type, body).await.unwrap();
            assert_eq!(
                (back.sbom, &back.baseline, &back.policy, &back.rego),
                (documents.sbom, &baseline, &baseline, &baseline)
            );
            assert_eq!(back.vex, documents.vex);
        }
    }

    #[tokio::test]
    async fn form_that_is_not_a_scan_is_refused() {
        let form = |parts: &[&str]| {
            let part = |name: &&str| {
                format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{{}}\r\n")
            };
            parts.iter().map(part).collect::<String>() + "--x--\r\n"
        };
        for (body, said) in [
            (form(&[]), "no part `sbom`"),
            (form(&["baseline"]), "no part `sbom`"),
            (form(&["sbom", "sbom"]), "` twice"),
            (form(&["sbom", "other"]), "part `other`"),
            (form(&["sbom"]).replace("--x--", ""), "incomplete"),
            (form(&["sbom"]) + &form(&["policy"]), "after its last part"),
            (format!("--y\r\n{}", form(&["sbom"])), "before its first part"),
            (
                form(&["sbom"]).replace("\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
                "encoded as `base64`",
            ),
            (
                form(&["sbom"]).replace("\r\n\r\n", "\r\nContent-Encoding: gzip\r\n\r\n"),
                "encoded as `gzip`",
            ),
        ] {
            let problem = read("multipart/form-data; boundary=x", body).await.unwrap_err();
            assert_eq!(problem.code, ErrorCode::BadRequest);
            assert!(problem.detail.contains(said), "{problem}");
        }
        let problem = read("multipart/form-data", "x").await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::BadRequest);
    }

    #[tokio::test]
    async fn number_of_vex_documents_is_limited() {
        let documents = |count| ScanDocuments {
            vex: vec![Bytes::from_static(b"{}"); count],
            ..ScanDocuments::default()
        };
        let (content_type, body) = documents(VEX_MAX_DOCUMENTS).into_body();
        assert_eq!(
            read(&content_type, body).await.unwrap().vex.len(),
            VEX_MAX_DOCUMENTS
        );
        let (content_type, body) = documents(VEX_MAX_DOCUMENTS + 1).into_body();
        assert_eq!(
            read(&content_type, body).await.unwrap_err().code,
            ErrorCode::BodyTooLarge
        );
    }

    #[tokio::test]
    async fn part_over_its_limit_is_too_large() {
        let documents = ScanDocuments {
            sbom: vec![b'x'; usize::try_from(SBOM_MAX_BYTES).unwrap() + 1].into(),
            baseline: Some(Bytes::new()),
            ..ScanDocuments::default()
        };
        let (content_type, body) = documents.into_body();
        let problem = read(&content_type, body).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::BodyTooLarge);
        assert!(problem.detail.contains("`sbom`"), "{problem}");
    }

    #[test]
    fn every_part_of_the_form_is_described() {
        let document = serde_json::to_value(crate::router::document()).unwrap();
        let body = &document["paths"]["/api/v1/scan"]["post"]["requestBody"]["content"];
        assert!(body[PLAIN]["schema"].is_object());
        let form = &body[FORM]["schema"];
        let described: Vec<_> = form["properties"].as_object().unwrap().keys().collect();
        let mut parts: Vec<_> = PARTS.iter().map(|(name, _, _)| *name).collect();
        parts.sort_unstable();
        assert_eq!(described, parts);
        assert_eq!(form["required"], serde_json::json!([SBOM]));
    }
}
