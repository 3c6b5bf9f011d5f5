//! `starling purl …`: package URLs read, written, and mapped to OSV packages.

use std::borrow::Cow;
use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use starling_scanner::purl::osv::{package_of, version_of};
use starling_scanner::purl::{PackageUrl, PurlParts};

use super::Outcome;
use super::batch::{Answer, Batch, Fields, Unanswered, one};
use crate::render::lines;
use crate::session::Session;

/// Parse, build and match package URLs
#[derive(Debug, Subcommand)]
pub(crate) enum Purl {
    Parse(Parse),
    Build(Build),
    Match(Match),
}

/// Parse a package URL strictly; prints its canonical form and its parts
#[derive(Debug, Args)]
#[command(after_help = "\
In a batch, text answers hold the canonical form only. Use --json for the parts.

Example:
  starling purl parse 'pkg:npm/%40babel/core@7.0.0'
  starling purl parse --batch --json < purls.txt

Exit codes: 0 read (in a batch: every line answered), 2 usage, 3 not a package URL")]
pub(crate) struct Parse {
    /// The package URL
    #[arg(value_name = "PURL")]
    purl: Vec<String>,
    /// Accept the spec violations that real SBOMs contain
    #[arg(long)]
    lenient: bool,
    #[command(flatten)]
    batch: Batch,
}

/// Build a package URL from its parts
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    after_help = "\
In a batch: type, namespace, name, version, qualifiers (as in k=v&k=v), subpath; or a JSON object of them.

Example:
  starling purl build --type maven --namespace org.apache --name io \\
      --version 1.3
  printf 'npm\\t@babel\\tcore\\t7.0.0\\n' | starling purl build --batch

Exit codes: 0 written (in a batch: every line answered), 2 usage, 3 the parts make no package URL"
)]
pub(crate) struct Build {
    /// The type, as in npm
    #[arg(long = "type", value_name = "TYPE")]
    ty: Option<String>,
    /// Namespace, segments separated by slashes
    #[arg(long, value_name = "TEXT")]
    namespace: Option<String>,
    /// The name
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// The version
    #[arg(long, value_name = "TEXT")]
    version: Option<String>,
    /// A qualifier; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    qualifier: Vec<String>,
    /// Subpath
    #[arg(long, value_name = "TEXT")]
    subpath: Option<String>,
    #[command(flatten)]
    batch: Batch,
}

/// Show the OSV package for a URL; with two URLs, whether both are the same package
#[derive(Debug, Args)]
#[command(after_help = "\
With one URL, prints ecosystem, name and version, separated by tabs. With two URLs, prints `same`, `same-package` (only
the versions differ) or `different`.

Example:
  starling purl match \\
      'pkg:deb/debian/libssl3@3.0.11-1?distro=debian-12&upstream=openssl'
  starling purl match pkg:pypi/Foo_Bar@1 pkg:pypi/foo-bar@1

Exit codes: 0 answered (in a batch: every line), 2 usage, 3 not a package URL, or one that OSV has no name for")]
pub(crate) struct Match {
    /// The package URL, and optionally a second one
    #[arg(value_name = "PURL OTHER", num_args = 0..)]
    purls: Vec<String>,
    #[command(flatten)]
    batch: Batch,
}

/// A package URL and its parts. The field names are those of the specification's test cases.
#[derive(Debug, Serialize)]
struct Parts {
    purl: String,
    #[serde(rename = "type")]
    ty: String,
    namespace: Option<String>,
    name: String,
    version: Option<String>,
    qualifiers: BTreeMap<String, String>,
    subpath: Option<String>,
}

impl From<&PackageUrl> for Parts {
    fn from(purl: &PackageUrl) -> Self {
        Self {
            purl: purl.to_string(),
            ty: purl.ty().to_owned(),
            namespace: purl.namespace().map(str::to_owned),
            name: purl.name().to_owned(),
            version: purl.version().map(str::to_owned),
            qualifiers: purl
                .qualifiers()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
            subpath: purl.subpath().map(str::to_owned),
        }
    }
}

impl Answer for Parts {
    fn columns(&self) -> Vec<Cow<'_, str>> {
        vec![self.purl.as_str().into()]
    }

    fn text(&self) -> String {
        let qualifiers: Vec<_> = self.qualifiers.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let qualifiers = Some(qualifiers.join(" ")).filter(|text| !text.is_empty());
        let parts = [
            ("purl", Some(self.purl.clone())),
            ("type", Some(self.ty.clone())),
            ("namespace", self.namespace.clone()),
            ("name", Some(self.name.clone())),
            ("version", self.version.clone()),
            ("qualifiers", qualifiers),
            ("subpath", self.subpath.clone()),
        ];
        lines(
            parts
                .into_iter()
                .filter_map(|(label, value)| Some((label, value?))),
        )
    }
}

/// A package URL that was built. The text answer is the URL alone.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Built(Parts);

impl Answer for Built {
    fn columns(&self) -> Vec<Cow<'_, str>> {
        self.0.columns()
    }
}

#[derive(Debug, Serialize)]
struct Matched {
    purl: String,
    ecosystem: String,
    name: String,
    version: Option<String>,
    /// False if advisories are per release and the URL does not name a release.
    release_known: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<Box<Matched>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relation: Option<&'static str>,
}

impl Answer for Matched {
    fn columns(&self) -> Vec<Cow<'_, str>> {
        if let Some(relation) = self.relation {
            return vec![relation.into()];
        }
        let version = self.version.as_deref().unwrap_or("");
        [self.ecosystem.as_str(), &self.name, version]
            .map(Cow::from)
            .to_vec()
    }
}

impl Purl {
    pub(crate) fn run(&self, session: &Session) -> Outcome {
        match self {
            Self::Parse(args) => args.batch.run(session, &["purl"], 1, &args.purl, |fields| {
                parse(fields.text("purl")?, args.lenient).map(|purl| Parts::from(&purl))
            }),
            Self::Build(args) => args.run(session),
            Self::Match(args) => args
                .batch
                .run(session, &["purl", "other"], 1, &args.purls, |fields| {
                    let mut matched = look_up(fields.text("purl")?)?;
                    if let Some(other) = fields.find("other")? {
                        let other = look_up(other)?;
                        matched.relation = Some(relation(&matched, &other));
                        matched.other = Some(Box::new(other));
                    }
                    Ok(matched)
                }),
        }
    }
}

fn parse(text: &str, lenient: bool) -> Result<PackageUrl, String> {
    if lenient {
        PackageUrl::parse_lenient(text)
    } else {
        PackageUrl::parse(text)
    }
    .map_err(|error| error.to_string())
}

fn look_up(text: &str) -> Result<Matched, String> {
    let purl = parse(text, true)?;
    let package = package_of(&purl)
        .ok_or_else(|| format!("looking up {purl}: no OSV ecosystem has packages of this type"))?;
    Ok(Matched {
        purl: purl.to_string(),
        version: version_of(&purl),
        ecosystem: package.ecosystem.into_owned(),
        name: package.name,
        release_known: package.release_known,
        other: None,
        relation: None,
    })
}

fn relation(a: &Matched, b: &Matched) -> &'static str {
    if (&a.ecosystem, &a.name) != (&b.ecosystem, &b.name) {
        "different"
    } else if a.version == b.version {
        "same"
    } else {
        "same-package"
    }
}

const PARTS: &[&str] = &["type", "namespace", "name", "version", "qualifiers", "subpath"];

impl Build {
    fn run(&self, session: &Session) -> Outcome {
        if self.ty.is_none() && self.name.is_none() {
            return self.batch.run(session, PARTS, 2, &[], build);
        }
        one(session, self.built().map_err(Unanswered::from))
    }

    /// Builds the URL from the options.
    fn built(&self) -> Result<Built, String> {
        // One option is one qualifier: a value may contain the separators of a qualifier list.
        let qualifiers = self.qualifier.iter().map(|text| pair(text));
        built(&PurlParts {
            ty: not_empty(&self.ty).ok_or("the type is missing")?,
            namespace: not_empty(&self.namespace),
            name: not_empty(&self.name).ok_or("the name is missing")?,
            version: not_empty(&self.version),
            qualifiers: qualifiers.collect::<Result<_, _>>()?,
            subpath: not_empty(&self.subpath),
        })
    }
}

fn build(fields: &Fields) -> Result<Built, String> {
    let qualifiers = match fields.value("qualifiers") {
        Some(Value::Object(object)) => object
            .iter()
            .map(|(key, value)| match value.as_str() {
                Some(value) => Ok((key.as_str(), value)),
                None => Err(format!("the qualifier {key:?} is not text")),
            })
            .collect::<Result<_, _>>()?,
        _ => fields
            .find("qualifiers")?
            .into_iter()
            .flat_map(|text| text.split('&'))
            .map(pair)
            .collect::<Result<_, _>>()?,
    };
    built(&PurlParts {
        ty: fields.text("type")?,
        namespace: fields.find("namespace")?,
        name: fields.text("name")?,
        version: fields.find("version")?,
        qualifiers,
        subpath: fields.find("subpath")?,
    })
}

/// Returns an option's text; empty text counts as missing.
fn not_empty(option: &Option<String>) -> Option<&str> {
    option.as_deref().filter(|text| !text.is_empty())
}

/// Splits a qualifier into key and value.
fn pair(text: &str) -> Result<(&str, &str), String> {
    text.split_once('=')
        .ok_or_else(|| format!("the qualifier {text:?} has no '='"))
}

fn built(parts: &PurlParts<'_>) -> Result<Built, String> {
    let purl = PackageUrl::build(parts).map_err(|error| error.to_string())?;
    Ok(Built(Parts::from(&purl)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_url_parses_back_to_its_parts() {
        let fields = Fields::given(
            PARTS,
            ["deb", "debian", "curl", "7", "distro=debian-12&arch=amd64", ""],
        );
        let built = build(&fields).unwrap();
        assert_eq!(built.line(), "pkg:deb/debian/curl@7?arch=amd64&distro=debian-12");
        let parsed = Parts::from(&parse(&built.line(), false).unwrap());
        assert_eq!(parsed.qualifiers["distro"], "debian-12");
        assert!(parsed.text().contains("namespace   debian"), "{}", parsed.text());
        let broken = Fields::given(PARTS, ["deb", "debian", "curl", "7", "distro"]);
        assert!(build(&broken).unwrap_err().contains("no '='"));
    }

    #[test]
    fn part_that_is_not_text_is_refused() {
        let object = |line: &str| build(&Fields::of_line(PARTS, line).unwrap());
        for (line, refused) in [
            (
                r#"{"type":"npm","name":"x","version":1}"#,
                "the field version is not text",
            ),
            (
                r#"{"type":"npm","name":"x","qualifiers":["a=b"]}"#,
                "the field qualifiers is not text",
            ),
            (
                r#"{"type":"npm","name":"x","qualifiers":{"a":1}}"#,
                "the qualifier \"a\" is not text",
            ),
        ] {
            assert_eq!(object(line).err().unwrap(), refused, "{line}");
        }
        let nothing = object(r#"{"type":"npm","name":"x","version":null,"qualifiers":null}"#);
        assert_eq!(nothing.unwrap().line(), "pkg:npm/x");
    }

    #[test]
    fn option_value_with_separators_is_one_qualifier() {
        use clap::Parser;

        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            build: Build,
        }
        let qualifier = "download_url=https://e.org/?a=1&b=2";
        let line = ["", "--type", "npm", "--name", "x", "--qualifier", qualifier];
        let built = Line::parse_from(line).build.built().unwrap();
        let Built(parts) = &built;
        assert_eq!(parts.qualifiers["download_url"], "https://e.org/?a=1&b=2");
        assert_eq!(parts.qualifiers.len(), 1);
    }

    #[test]
    fn url_is_matched_by_its_advisory_name() {
        let source = look_up("pkg:deb/debian/libssl3@3.0-1?distro=debian-12&upstream=openssl").unwrap();
        assert_eq!(source.line(), "Debian:12\topenssl\t3.0-1");
        let [a, b, c] = ["pkg:pypi/Foo_Bar@1", "pkg:pypi/foo-bar@1", "pkg:pypi/foo-bar@2"]
            .map(|purl| look_up(purl).unwrap());
        assert_eq!((relation(&a, &b), relation(&a, &c)), ("same", "same-package"));
        assert_eq!(relation(&a, &source), "different");
        assert!(look_up("pkg:docker/alpine@3").is_err());
    }
}
