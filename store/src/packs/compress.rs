//! Compresses the bodies of one write.

use starling_protocol::ContentHash;
use zstd::bulk::Compressor;

use super::dictionary::new_compressor;
use super::error::PackError;

/// Bytes of bodies for which a second thread pays off: it first digests the dictionary, which takes a
/// millisecond or two.
const BYTES_FOR_TWO: usize = 256 << 10;

/// Compresses bodies, many of them in two threads.
pub(super) fn compress_all(
    compressor: &mut Compressor<'static>,
    level: i32,
    dictionary: &[u8],
    bodies: &[(ContentHash, &[u8])],
) -> Result<Vec<(ContentHash, Vec<u8>)>, PackError> {
    let all = |compressor: &mut Compressor<'static>, bodies: &[(ContentHash, &[u8])]| {
        let compress = |(hash, body): &(ContentHash, &[u8])| match compressor.compress(body) {
            Ok(packed) => Ok((*hash, packed)),
            Err(cause) => Err(PackError::Compress {
                cause: cause.to_string(),
            }),
        };
        bodies.iter().map(compress).collect::<Result<Vec<_>, _>>()
    };
    let bytes: usize = bodies.iter().map(|(_, body)| body.len()).sum();
    if bytes < BYTES_FOR_TWO {
        return all(compressor, bodies);
    }
    let (here, there) = bodies.split_at(bodies.len() / 2);
    std::thread::scope(|scope| {
        let second = std::thread::Builder::new().name("compress".to_owned());
        let second = second.spawn_scoped(scope, || all(&mut new_compressor(level, dictionary)?, there));
        let mut packed = all(compressor, here)?;
        // If the system gives no thread, compression takes longer but succeeds.
        packed.append(&mut match second.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(packed)) => packed?,
            Ok(Err(_)) | Err(_) => all(compressor, there)?,
        });
        Ok(packed)
    })
}
