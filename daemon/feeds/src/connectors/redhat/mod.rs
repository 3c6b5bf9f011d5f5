//! Red Hat's CSAF documents: VEX by CVE, and advisories.
//!
//! A package is named in the repository of a product stream, which is the CPE name of the platform: `Red
//! Hat:enterprise_linux:9::appstream`. Streams are not ranges of versions, so each has its own entries. A fixed
//! product is a build with its version; an affected one is a component, with all its versions.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::Connector;
use super::csaf::status::Statements;
use super::csaf::tree::{Product, Tree};
use super::csaf::{document, is_redhat, publisher};
use super::draft::{Affected, Draft, Range};
use super::output::Output;
use super::rpm::{self, Nevra};
use super::shape::Shape;
use super::text::quote;
use super::value;

/// Reads CSAF documents of Red Hat.
pub(crate) struct Redhat;

impl Connector for Redhat {
    fn name(&self) -> &'static str {
        "redhat"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        publisher(shape).is_some_and(|publisher| is_redhat(&publisher))
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        document(bytes, out, affected);
    }
}

/// A component of a platform.
struct Component<'v> {
    ecosystem: String,
    name: String,
    version: Option<String>,
    module: Option<String>,
    arch: Option<&'v str>,
}

/// The fix of a package.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Fix {
    /// There is none.
    Open,
    /// In this version.
    At(String),
    /// In a version that is not named, such as that in a build of its module.
    Unnamed,
}

/// The key that distinguishes entries, in the order in which they are written.
type Key = (String, String, Fix, Option<String>, Option<&'static str>);

fn affected<'v>(draft: &mut Draft<'v>, tree: &Tree<'v>, statements: &Statements<'v>) -> Vec<Affected<'v>> {
    // By stream, package, fixed version, module and plan: the architectures, and the word for the impact.
    let mut entries: BTreeMap<Key, (Vec<&'v str>, Option<&'v str>)> = BTreeMap::new();
    let mut add = |component: Component<'v>, fix: Fix, plan, impact: Option<&'v str>| {
        let key = (component.ecosystem, component.name, fix, component.module, plan);
        let (archs, word) = entries.entry(key).or_default();
        if let Some(arch) = component.arch.filter(|arch| !archs.contains(arch)) {
            archs.push(arch);
        }
        *word = impact.or(*word);
    };
    let mut others = 0_usize;
    for id in &statements.fixed {
        match component(draft, tree, id) {
            Some(mut component) => match component.version.take() {
                Some(version) => {
                    let fix = fix_of(draft, &mut component, version);
                    add(component, fix, None, statements.impact(id));
                }
                None => {
                    draft.warn(format!("the fixed product \"{}\" has no version", quote(id)));
                    add(component, Fix::Unnamed, None, statements.impact(id));
                }
            },
            None => others += 1,
        }
    }
    for id in statements.affected.iter().chain(&statements.investigated) {
        let is_investigated = !statements.affected.contains(id);
        let plan = statements
            .plan(id)
            .or(is_investigated.then_some("under_investigation"));
        match component(draft, tree, id) {
            Some(component) => add(component, Fix::Open, plan.or(Some("none")), statements.impact(id)),
            None => others += 1,
        }
    }
    if others > 0 {
        draft.warn(format!(
            "{others} products are not RPM packages of a product stream, and have no entry"
        ));
    }
    let entries = entries
        .into_iter()
        .map(|((ecosystem, name, fix, module, plan), (archs, impact))| {
            let mut entry = Affected::of(ecosystem, name.clone());
            entry.purl = Some(format!("pkg:rpm/redhat/{name}"));
            entry.ranges.push(match fix {
                Fix::At(fixed) => Range::before(fixed),
                Fix::Open => Range::from("0"),
                Fix::Unnamed => Range::undecided(),
            });
            if let Some(module) = module {
                entry.ecosystem_specific.push(("rpmmod", value::text(module)));
            }
            if archs == ["src"] {
                entry.ecosystem_specific.push(("arch", value::text("src")));
            }
            if let Some(plan) = plan {
                entry.specific.push(("fix_state", value::text(plan)));
            }
            if let Some(impact) = impact {
                entry.specific.push(("severity", value::text(impact)));
            }
            entry
        });
    entries.collect()
}

/// Returns the component of a product on its platform; `None` if the product is not an RPM package of a stream.
fn component<'v>(draft: &mut Draft<'v>, tree: &Tree<'v>, id: &str) -> Option<Component<'v>> {
    let (component_id, _) = tree.parts(id)?;
    // A package may be a component of a module, which is one of the platform.
    let platforms = tree.platforms(id);
    let mut around = platforms
        .iter()
        .map(|whole| tree.parts(whole).map_or(*whole, |(component, _)| component));
    let module_id = around.find(|id| is_module(tree, id));
    let cpe = platforms.iter().find_map(|platform| tree.get(platform)?.cpe)?;
    let ecosystem = format!("Red Hat:{}", stream_of(cpe)?);
    let purl = tree.get(component_id).and_then(Product::purl);
    let Some(purl) = purl else {
        return without_url(draft, ecosystem, component_id, module_id);
    };
    // Scheme and type are written in any capitals.
    let (ty, rest) = purl.trim().split_once('/')?;
    let ty = match ty.to_ascii_lowercase().strip_prefix("pkg:")? {
        "rpm" => "rpm",
        "rpmmod" => "rpmmod",
        _ => return None,
    };
    let (path, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.strip_prefix("redhat/").unwrap_or(path);
    // An affected package of a module: `pkg:rpmmod/redhat/postgresql:15/postgresql`. A module by itself is not one.
    let (module_path, path) = match (ty, path.rsplit_once('/')) {
        ("rpmmod", Some((module, path))) => (Some(module), path),
        ("rpmmod", None) => return None,
        _ => (None, path),
    };
    let (name, version) = path
        .split_once('@')
        .map_or((path, None), |(name, version)| (name, Some(version)));
    let qualifier = |key: &str| {
        let mut all = qualifiers.split('&').filter_map(|pair| pair.split_once('='));
        all.find(|(own, _)| *own == key).map(|(_, value)| value)
    };
    let module = qualifier("rpmmod")
        .or_else(|| component_id.split_once("::").map(|(_, module)| module))
        .or(module_path)
        .or(module_id);
    let module = module.and_then(|module| module_of(draft, module));
    let version = version.filter(|version| !version.is_empty());
    let version = version.map(rpm::percent_decoded).map(|version| {
        let stated = qualifier("epoch").map(str::to_owned);
        let epoch = stated.or_else(|| Nevra::parse(component_id).map(|nevra| nevra.epoch));
        rpm::with_epoch(&version, epoch.as_deref().unwrap_or_default())
    });
    let version = version.or_else(|| Nevra::parse(component_id).map(|nevra| nevra.evr()));
    Some(Component {
        ecosystem,
        name: rpm::percent_decoded(name),
        version,
        module,
        arch: qualifier("arch"),
    })
}

/// Returns the stream in a CPE name of either form: `enterprise_linux:9::appstream`.
fn stream_of(cpe: &str) -> Option<String> {
    let cpe = cpe.trim().to_ascii_lowercase();
    if let Some(formatted) = cpe.strip_prefix("cpe:2.3:") {
        let mut parts = formatted.split(':');
        let is_known = matches!(parts.next(), Some("a" | "o")) && parts.next() == Some("redhat");
        let stream: Vec<&str> = parts
            .take(4)
            .map(|part| if matches!(part, "*" | "-") { "" } else { part })
            .collect();
        return is_known.then(|| stream.join(":").trim_end_matches(':').to_owned());
    }
    let stream = cpe
        .strip_prefix("cpe:/a:redhat:")
        .or_else(|| cpe.strip_prefix("cpe:/o:redhat:"))?;
    Some(stream.trim_end_matches(':').to_owned())
}

/// Returns a component of which only the id is known, as in the oldest documents.
fn without_url<'v>(
    draft: &mut Draft<'_>,
    ecosystem: String,
    id: &str,
    module: Option<&str>,
) -> Option<Component<'v>> {
    let (module, id) = match id.rsplit_once('/') {
        Some((module, id)) if module.contains(':') => (Some(module), id),
        Some(_) => return None,
        None => (module, id),
    };
    let (name, version) = match Nevra::parse(id) {
        Some(nevra) => (nevra.name.clone(), Some(nevra.evr())),
        // A name alone may be that of anything but in a release of the distribution.
        None => {
            let is_release = ["Red Hat:enterprise_linux", "Red Hat:rhel_"]
                .iter()
                .any(|part| ecosystem.starts_with(part));
            let is_name = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
            if !is_release || id.is_empty() || !id.chars().all(is_name) {
                return None;
            }
            (rpm::without_arch(id).to_owned(), None)
        }
    };
    Some(Component {
        ecosystem,
        name,
        version,
        module: module.and_then(|module| module_of(draft, module)),
        arch: None,
    })
}

/// Returns the fix in this version. The build of a module, `python39-3.9-8040020240902080505.63cd9eba`, is written like
/// that of a package; compared with it, every package of the module would be newer.
fn fix_of(draft: &mut Draft<'_>, component: &mut Component<'_>, version: String) -> Fix {
    let Some((stream, release)) = version.rsplit_once('-') else {
        return Fix::At(version);
    };
    let is_build = release.split_once('.').is_some_and(|(build, context)| {
        build.len() >= 16
            && build.bytes().all(|byte| byte.is_ascii_digit())
            && context.len() == 8
            && context.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    if !is_build {
        return Fix::At(version);
    }
    draft.warn(format!(
        "{} {} is the build of a module: the versions of its packages are not named",
        quote(&component.name),
        quote(&version)
    ));
    let name = &component.name;
    component.module.get_or_insert_with(|| format!("{name}:{stream}"));
    Fix::Unnamed
}

fn is_module(tree: &Tree<'_>, id: &str) -> bool {
    match tree.get(id).and_then(Product::purl) {
        Some(purl) => purl.trim().to_ascii_lowercase().starts_with("pkg:rpmmod/"),
        // The id of a platform has a colon only before its repository: `rhel-8.10.z::appstream`.
        None => {
            id.contains(':') && !id.contains("::") && tree.get(id).is_none_or(|known| known.cpe.is_none())
        }
    }
}

/// Returns name and stream of a module: `python36:3.6` for `python36:3.6:8040020241213073301:9bf6f064`.
fn module_of(draft: &mut Draft<'_>, text: &str) -> Option<String> {
    let module = rpm::percent_decoded(text);
    if module.is_empty() {
        return None;
    }
    let mut parts = module.split(':');
    match (parts.next(), parts.next()) {
        (Some(name), Some(stream)) if !name.is_empty() && !stream.is_empty() => {
            Some(format!("{name}:{stream}"))
        }
        _ => {
            draft.warn(format!("the module \"{}\" has no stream", quote(&module)));
            None
        }
    }
}
