//! Finds advisories and records by id, by package, by merge hash and by source.

mod advisories;
mod by_hash;
mod by_id;
mod by_package;
mod by_product;
mod records;

pub use self::advisories::{AdvisoryRef, for_each_advisory};
pub use self::by_hash::{Resolution, resolve};
pub use self::by_id::{advisories_by_id, records_about, silent_records};
pub(crate) use self::by_id::{records_near, vulnerabilities_by_id};
pub use self::by_package::{
    add_sources_of_package, advisories_by_package, advisories_in_any_release, ecosystems_with_suffix,
    knows_ecosystem, sources_of_ecosystem,
};
pub use self::by_product::{
    PRODUCT_ECOSYSTEM, ProductAdvisory, advisories_by_product, for_each_product, knows_products,
    sources_of_product, sources_of_products,
};
pub use self::records::{
    LiveRecord, chosen_content, for_each_live_record, held_records, live_record_counts, live_records,
};
