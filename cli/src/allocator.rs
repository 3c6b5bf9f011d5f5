//! The program's allocator, and the pages that it takes from the system (ADR 0024).

/// A scan makes many small allocations on several threads, and the static binary's default allocator has one lock.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Lets the system give small pages only.
///
/// The allocator takes its memory in large pieces, and asks for huge pages to fill them: a piece of which little is used
/// then counts as a whole, and what is freed of it is not given back. A system that does not know the request is left as
/// it is.
pub(crate) fn take_small_pages() {
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

#[cfg(test)]
mod tests {
    use tikv_jemalloc_ctl::{background_thread, opt};

    #[test]
    fn freed_memory_is_given_back_by_a_thread_of_the_allocator() {
        assert!(
            background_thread::read().unwrap(),
            "`.cargo/config.toml` was not read"
        );
        let cores = std::thread::available_parallelism().unwrap().get();
        assert!(opt::narenas::read().unwrap() as usize <= cores);
    }

    #[test]
    fn memory_is_taken_in_small_pages() {
        super::take_small_pages();
        assert_eq!(rustix::thread::transparent_huge_pages_are_disabled(), Ok(true));
    }
}
