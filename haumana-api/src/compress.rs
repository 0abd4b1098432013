//! Compressing replies for clients that ask for it.
//!
//! Compression is decided for each reply, after its handler has run:
//!
//! - By its `Accept-Encoding`, the client must not prefer plain bytes to gzip.
//! - A reply of known size must have more than 1 kB. Less would grow, or gain nothing.
//! - A stream is compressed only if this crate made it as an export. A stream of events never is: a
//!   poke would wait in the encoder.
//! - A reply that has a content coding already is left as it is.
//!
//! `Vary: accept-encoding` is added to each reply that could have been compressed, whether or not
//! it was, so that no cache hands gzip to a client that cannot read it.

use crate::api::Compression;
use crate::gzip_body::GzipBody;
use crate::limits::COMPRESS_FROM_BYTES;
use crate::load::Gate;
use crate::reply::Packed;
use crate::stream::Streamed;
use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, VARY,
};
use axum::response::Response;
use flate2::write::GzEncoder;
use std::io::Write;

/// Whether the sender of a request wants its reply as gzip (RFC 9110, 12.5.3).
///
/// Without the header nothing is compressed: on loopback it only costs time.
///
/// It is called before the request runs, because the handler consumes the headers.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    accepts_coding(headers, "gzip")
}

/// Whether the sender of a request accepts a reply in this content coding, such as `br`, and does
/// not prefer a plain one (RFC 9110, 12.5.3). Without the header the answer is no.
///
/// ```
/// use axum::http::{HeaderMap, HeaderValue, header::ACCEPT_ENCODING};
/// use haumana_api::accepts_coding;
///
/// let accept = HeaderValue::from_static("gzip, br;q=0.9");
/// let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, accept)]);
///
/// assert!(accepts_coding(&headers, "br"));
/// assert!(!accepts_coding(&headers, "zstd"));
/// ```
pub fn accepts_coding(headers: &HeaderMap, coding: &str) -> bool {
    let (mut wanted, mut any, mut identity) = (None, None, None);
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for item in values.flat_map(|value| value.split(',')) {
        let (named, parameters) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight(parameters);
        match named.trim().to_ascii_lowercase().as_str() {
            "*" => any = weight,
            "identity" => identity = weight,
            // RFC 9110, 8.4.1.3: the old name is the same coding.
            named if named.strip_prefix("x-").unwrap_or(named) == coding => wanted = weight,
            _ => {}
        }
    }
    let wanted = wanted.or(any).unwrap_or(0.0);
    0.0 < wanted && identity.unwrap_or(0.0) <= wanted
}

/// The weight that `q=` gives; 1 without it; `None` if it is not a number.
///
/// Anything but one `q` between 0 and 1 counts as "do not send this", because a plain reply is
/// always right.
fn weight(parameters: &str) -> Option<f32> {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return Some(1.0);
    }
    let (name, value) = parameters.split_once('=')?;
    let value = value.trim().parse().ok()?;
    (name.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&value)).then_some(value)
}

/// Compresses a response if `is_wanted`. Two kinds are compressed: one whose size is known and
/// large enough, and an export that is streamed.
///
/// Large ones are compressed in the heavy lane, if the host bounds how much is done at once. If
/// that lane has no place, the reply goes out uncompressed; it is never refused for that.
pub(crate) async fn compress(
    mut response: Response,
    is_wanted: bool,
    compression: Compression,
    gate: Option<&Gate>,
) -> Response {
    let Some(size) = response.body().size_hint().exact() else {
        let is_ours = response.extensions().get::<Streamed>().is_some();
        return if is_ours { compress_stream(response, is_wanted, compression) } else { response };
    };
    let is_large = (COMPRESS_FROM_BYTES as u64) < size;
    if !is_large || response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
    if !is_wanted {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // A body whose size is known is in memory already; reading it cannot fail.
    let plain = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let kept = head.extensions.remove::<Packed>().unwrap_or_default().0;
    let packed = match kept.get() {
        Some(packed) => Some(packed.clone()),
        None => pack(&plain, compression, gate).await,
    };
    let Some(packed) = packed else {
        return Response::from_parts(head, plain.into());
    };
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(kept.get_or_init(|| packed).clone()))
}

/// `None`: the heavy lane had no place.
async fn pack(plain: &Bytes, compression: Compression, gate: Option<&Gate>) -> Option<Bytes> {
    let packed = match gate {
        Some(gate) if BESIDE_BYTES < plain.len() => {
            let plain = plain.clone();
            gate.compute(move || gzip(&plain, compression)).await.flatten()
        }
        _ => gzip(plain, compression),
    };
    packed.map(Bytes::from)
}

/// Compressing more bytes than this takes longer than handing them to another thread.
const BESIDE_BYTES: usize = 256 * 1024;

/// The length of a stream is not known, so nothing has to be removed but the plain body.
fn compress_stream(mut response: Response, is_wanted: bool, compression: Compression) -> Response {
    response.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
    if !is_wanted {
        return response;
    }
    let (mut head, body) = response.into_parts();
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Response::from_parts(head, Body::new(GzipBody::new(body, compression.into())))
}

fn gzip(plain: &[u8], compression: Compression) -> Option<Vec<u8>> {
    let packed = Vec::with_capacity(plain.len() / 3);
    let mut encoder = GzEncoder::new(packed, compression.into());
    // Writing into memory cannot fail.
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Fixed;
    use axum::response::IntoResponse as _;
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    #[track_caller]
    fn check(accept: &str, expected: bool) {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, accept.parse().unwrap())]);
        assert_eq!(expected, is_wanted(&headers), "{accept}");
    }

    #[test]
    fn gzip_is_wanted_by_name_or_by_star() {
        check("gzip", true);
        check("gzip, deflate, br", true);
        check("br;q=1.0, GZIP;q=0.2", true);
        check("x-gzip", true);
        check("*", true);
        check("identity;q=0.5, gzip", true);
        check("gzip; q=0.001", true);
    }

    #[test]
    fn a_coding_is_accepted_under_its_own_name() {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, "gzip, br;q=0.5".parse().unwrap())]);
        assert!(accepts_coding(&headers, "br"));
        assert!(!accepts_coding(&headers, "zstd"));
        assert!(!accepts_coding(&HeaderMap::new(), "br"));
    }

    #[test]
    fn gzip_is_not_wanted_where_it_is_ruled_out_or_second_choice() {
        check("", false);
        check("br", false);
        check("gzip;q=0", false);
        check("gzip;q=0, *", false);
        check("*;q=0", false);
        check("identity", false);
        check("identity, gzip;q=0.5", false);
        check("gzip;q=2", false);
        check("gzip;q=x", false);
        check("gzip;level=9", false);
        assert!(!is_wanted(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_reply_that_is_the_same_each_time_is_compressed_once() {
        let plain = "[0]".repeat(COMPRESS_FROM_BYTES);
        let fixed = Fixed::new(plain.clone());
        let mut packed = Vec::new();
        for _ in 0..2 {
            let response = fixed.clone().into_response();
            let response = compress(response, true, Compression::Fast, None).await;
            assert_eq!("gzip", response.headers()[CONTENT_ENCODING]);
            packed.push(to_bytes(response.into_body(), usize::MAX).await.unwrap());
        }

        assert_eq!(packed[0].as_ptr(), packed[1].as_ptr(), "these are the same bytes in memory");
        let mut read = String::new();
        GzDecoder::new(&packed[0][..]).read_to_string(&mut read).unwrap();
        assert_eq!(plain, read);
    }
}
