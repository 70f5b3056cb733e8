//! Verification of repository signatures by the keys of a keyring.
//!
//! The crate `pgp` parses packets and verifies cryptographically; the policy here follows gpgv:
//! - the signature, and every self-signature of a key, has version 4 or 6 and a SHA-2 or SHA-3 digest of 256 bits or
//!   more: MD5, SHA-1 and RIPEMD-160 are refused;
//! - at the time of the signature the key existed, was neither expired nor revoked, and was allowed to sign (a key that is
//!   revoked as compromised, or without a reason, is never valid);
//! - a subkey is bound by its primary key, and has a cross-signature that confirms the binding;
//! - RSA keys have 2048 bits or more, DSA keys are refused;
//! - an unknown critical subpacket invalidates a signature.
//!
//! The latest self-signature of a key counts, as in gpg: keyrings keep only that one.

use std::path::PathBuf;

use pgp::composed::{Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Packet, PacketParser, RevocationCode, Signature, SignatureType};
use pgp::packet::{SignatureVersion, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, PublicParams, Tag};

use super::clearsign;
use crate::blob::{FileRange, open_regular};
use crate::error::{At, Error, Fault, Result};

/// Maximum size of a keyring in bytes.
const MAX_KEYRING: u64 = 16 << 20;
/// Maximum size of the packets of a signature in bytes.
const MAX_SIGNATURE: usize = 1 << 20;

/// Maximum number of signatures of one file.
const MAX_SIGNATURES: usize = 64;

/// Trusted keys.
#[derive(Debug, Clone)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

/// Key with a valid signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Fingerprint of the primary key, in upper-case hexadecimal digits.
    pub fingerprint: String,
    /// Fingerprint of the signing key: the primary key or a subkey.
    pub signing_key: String,
    /// First user ID of the key.
    pub user: String,
    /// Time of the signature, in seconds since 1970.
    pub time: i64,
    /// Time from which on it is not valid any more, in seconds since 1970.
    pub expires: Option<i64>,
}

/// Result of verification.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    /// Signers of valid signatures.
    pub(super) signers: Vec<Signer>,
    /// Problems of the other signatures.
    pub(super) bad: Vec<String>,
}

impl Keyring {
    /// Reads keyrings, binary or armored, as `gpg --export` writes them.
    ///
    /// # Errors
    /// `Keyring` for an invalid keyring, also for a keybox (`.kbx`) of gpg; `Io`, `Limit`. The context is the path.
    pub fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut keys = Vec::new();
        for path in paths {
            let read = || {
                let range = FileRange::whole(open_regular(path, true)?)?;
                Keyring::parse(&range.bytes(MAX_KEYRING)?)
            };
            keys.extend(read().at(|| path.to_string_lossy().into_owned())?.keys);
        }
        Ok(Keyring { keys })
    }

    /// Parses a keyring, binary or armored.
    ///
    /// # Errors
    /// `Keyring` for an invalid keyring.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |why: &str, keybox| {
            let why = why.to_owned();
            Error::new(Fault::Keyring { why, keybox })
        };
        if bytes.get(8..12) == Some(b"KBXf") {
            return Err(wrong("unsupported format: gpg keybox", true));
        }
        let packets = match bytes.first() {
            None => return Err(wrong("empty file", false)),
            Some(byte) if byte & 0x80 != 0 => bytes.to_vec(),
            Some(_) => clearsign::armored(bytes, "-----BEGIN PGP PUBLIC KEY BLOCK-----")
                .map_err(|_| wrong("no public keys", false))?,
        };
        let damaged = |error: pgp::errors::Error| wrong(&error.to_string(), false);
        let keys = SignedPublicKey::from_bytes_many(&packets[..]).map_err(damaged)?;
        let keys: Result<Vec<_>, _> = keys.collect();
        let keys = keys.map_err(damaged)?;
        match keys.is_empty() {
            true => Err(wrong("no public keys", false)),
            false => Ok(Keyring { keys }),
        }
    }

    /// Returns the fingerprints of the primary keys.
    pub fn fingerprints(&self) -> Vec<String> {
        let keys = self.keys.iter();
        keys.map(|key| fingerprint_of(&key.primary_key)).collect()
    }

    /// Verifies a detached signature, binary or armored, at a time in seconds since 1970. One valid signature is enough.
    ///
    /// # Errors
    /// `Signature` if there is no valid signature.
    pub fn verify_detached(&self, signature: &[u8], signed: &[u8], now: i64) -> Result<Signer> {
        let packets = clearsign::parse_detached(signature)?;
        let mut signers = self.verify(&packets, signed)?.signers.into_iter();
        let valid = signers.find(|signer| signer.expires.is_none_or(|expires| expires > now));
        valid.ok_or_else(|| invalid("the signature has expired"))
    }

    /// Verifies signatures of bytes. One valid signature is enough.
    ///
    /// # Errors
    /// `Signature` if there is no valid signature.
    pub(super) fn verify(&self, packets: &[u8], signed: &[u8]) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        if packets.len() > MAX_SIGNATURE {
            return Err(invalid("signatures too large"));
        }
        for (number, packet) in PacketParser::new(packets).enumerate() {
            if number >= MAX_SIGNATURES {
                verdict.bad.push("too many signatures".to_owned());
                break;
            }
            match packet {
                Ok(Packet::Signature(signature)) => match self.verify_one(&signature, signed) {
                    Ok(signer) => verdict.signers.push(signer),
                    Err(why) => verdict.bad.push(why),
                },
                Ok(_) => verdict
                    .bad
                    .push("unexpected packet: expected a signature".to_owned()),
                Err(_) => verdict.bad.push("damaged signature".to_owned()),
            }
        }
        match (verdict.signers.is_empty(), verdict.bad.is_empty()) {
            (false, _) => Ok(verdict),
            (true, true) => Err(invalid("missing signature")),
            (true, false) => Err(invalid(&verdict.bad.join("; "))),
        }
    }

    /// Verifies one signature; the error is its problem.
    fn verify_one(&self, signature: &Signature, signed: &[u8]) -> Result<Signer, String> {
        if !matches!(
            signature.typ(),
            Some(SignatureType::Binary | SignatureType::Text)
        ) {
            return Err("unsupported signature type: expected a signature of a file".to_owned());
        }
        check_policy(signature)?;
        let time = created(signature).ok_or("signature without creation time")?;
        let mut tried = None;
        for key in &self.keys {
            if may_be_by(signature, &key.primary_key) {
                tried.get_or_insert_with(|| fingerprint_of(&key.primary_key));
                if signature.verify(&key.primary_key, signed).is_ok() {
                    check_primary(key, time)?;
                    return Ok(signer(
                        key,
                        fingerprint_of(&key.primary_key),
                        signature,
                        time,
                    ));
                }
            }
            for subkey in &key.public_subkeys {
                if !may_be_by(signature, &subkey.key) {
                    continue;
                }
                tried.get_or_insert_with(|| fingerprint_of(&subkey.key));
                if signature.verify(&subkey.key, signed).is_ok() {
                    check_subkey(key, subkey, time)?;
                    return Ok(signer(key, fingerprint_of(&subkey.key), signature, time));
                }
            }
        }
        Err(match tried {
            Some(key) => format!("signature by {key} does not match the data"),
            None => {
                let ids = signature.issuer_fingerprint();
                let ids = ids.iter().map(|id| format!("{id:X}"));
                let short = signature.issuer_key_id();
                let short = short.iter().map(|id| hex::encode_upper(id.as_ref()));
                let id = ids.chain(short).next().unwrap_or_default();
                format!("signature by {id}: key not in the keyring")
            }
        })
    }
}

fn signer(key: &SignedPublicKey, signing_key: String, signature: &Signature, time: i64) -> Signer {
    let user = key.details.users.first();
    let validity = signature.signature_expiration_time();
    let validity = validity.map(|it| i64::from(it.as_secs()));
    let validity = validity.filter(|seconds| *seconds > 0);
    Signer {
        fingerprint: fingerprint_of(&key.primary_key),
        signing_key,
        user: user
            .map(|user| String::from_utf8_lossy(user.id.id()).into_owned())
            .unwrap_or_default(),
        time,
        expires: validity.map(|seconds| time.saturating_add(seconds)),
    }
}

/// Returns whether a signature names a key as its issuer, or names no issuer.
fn may_be_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let (prints, ids) = (signature.issuer_fingerprint(), signature.issuer_key_id());
    prints.contains(&&key.fingerprint())
        || ids.contains(&&key.legacy_key_id())
        || prints.is_empty() && ids.is_empty()
}

/// Checks version, digest algorithm and critical subpackets of any signature.
fn check_policy(signature: &Signature) -> Result<(), String> {
    if !matches!(
        signature.version(),
        SignatureVersion::V4 | SignatureVersion::V6
    ) {
        return Err("unsupported signature version".to_owned());
    }
    let config = signature.config().ok_or("unsupported signature format")?;
    match config.hash_alg {
        HashAlgorithm::Sha256
        | HashAlgorithm::Sha384
        | HashAlgorithm::Sha512
        | HashAlgorithm::Sha3_256
        | HashAlgorithm::Sha3_512 => {}
        weak => return Err(format!("weak digest algorithm {weak}")),
    }
    let unknown = config.hashed_subpackets().any(|packet| {
        packet.is_critical
            && matches!(
                packet.data,
                SubpacketData::Experimental(..)
                    | SubpacketData::Other(..)
                    | SubpacketData::Notation(_)
            )
    });
    match unknown {
        true => Err("unsupported critical subpacket".to_owned()),
        false => Ok(()),
    }
}

/// Checks that a primary key was valid for signing at a time.
fn check_primary(key: &SignedPublicKey, time: i64) -> Result<(), String> {
    let own = self_signature(key, time)?;
    check_signing(&key.primary_key, own)
}

/// Returns the latest self-signature of a primary key that was valid at a time.
fn self_signature(key: &SignedPublicKey, time: i64) -> Result<&Signature, String> {
    let (primary, details) = (&key.primary_key, &key.details);
    let name = fingerprint_of(primary);
    let revocations = details.revocation_signatures.iter();
    for revocation in revocations {
        if applies(revocation, time) && revocation.verify_key(primary).is_ok() {
            return Err(format!("key {name} is revoked"));
        }
    }
    let direct = details.direct_signatures.iter();
    let direct = direct.filter(|own| own.typ() == Some(SignatureType::Key));
    let direct = direct.filter(|own| own.verify_key(primary).is_ok());
    let users = details.users.iter().filter_map(|user| {
        let ours = user.signatures.iter().filter(|own| {
            let is_ours = may_be_by(own, primary);
            is_ours
                && own
                    .verify_certification(primary, Tag::UserId, &user.id)
                    .is_ok()
        });
        let last = ours.max_by_key(|own| created(own))?;
        // A revoked user ID does not count.
        last.is_certification().then_some(last)
    });
    let all = direct.chain(users).filter(|own| check_policy(own).is_ok());
    let own = all.max_by_key(|own| created(own));
    let own = own.ok_or_else(|| format!("key {name} has no valid self-signature"))?;
    check_lifetime(primary, own, time)?;
    Ok(own)
}

/// Checks that a subkey was valid for signing at a time.
fn check_subkey(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    time: i64,
) -> Result<(), String> {
    self_signature(key, time)?;
    let name = fingerprint_of(&subkey.key);
    let mut binding: Option<&Signature> = None;
    for own in &subkey.signatures {
        if own
            .verify_subkey_binding(&key.primary_key, &subkey.key)
            .is_err()
        {
            continue;
        }
        match own.typ() {
            Some(SignatureType::SubkeyRevocation) if applies(own, time) => {
                return Err(format!("subkey {name} is revoked"));
            }
            Some(SignatureType::SubkeyBinding)
                if check_policy(own).is_ok()
                    && binding.is_none_or(|last| created(last) <= created(own)) =>
            {
                binding = Some(own);
            }
            _ => {}
        }
    }
    let binding =
        binding.ok_or_else(|| format!("subkey {name} is not bound to its primary key"))?;
    check_lifetime(&subkey.key, binding, time)?;
    check_signing(&subkey.key, binding)?;
    let back = binding.embedded_signature().filter(|back| {
        let verified = back.verify_primary_key_binding(&subkey.key, &key.primary_key);
        check_policy(back).is_ok() && verified.is_ok()
    });
    match back {
        Some(_) => Ok(()),
        None => Err(format!("subkey {name} has no valid cross-signature")),
    }
}

/// Returns whether a revocation applies at a time: a superseded or retired key stays valid for earlier signatures.
fn applies(revocation: &Signature, time: i64) -> bool {
    let harmless = matches!(
        revocation.revocation_reason_code(),
        Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired)
    );
    !harmless || created(revocation).is_none_or(|at| at <= time)
}

/// Checks that a key existed and had not expired at a time.
fn check_lifetime(key: &impl KeyDetails, own: &Signature, time: i64) -> Result<(), String> {
    let start = i64::from(key.created_at().as_secs());
    if start > time {
        return Err(format!(
            "key {} is newer than the signature",
            fingerprint_of(key)
        ));
    }
    let ended = |from: i64, after: u32| after > 0 && from.saturating_add(after.into()) <= time;
    let lifetime = own.key_expiration_time().map_or(0, |it| it.as_secs());
    let validity = own.signature_expiration_time().map_or(0, |it| it.as_secs());
    match ended(start, lifetime) || created(own).is_some_and(|from| ended(from, validity)) {
        true => Err(format!("key {} had expired", fingerprint_of(key))),
        false => Ok(()),
    }
}

/// Checks that algorithm, size and key flags of a key allow signing.
fn check_signing(key: &impl KeyDetails, own: &Signature) -> Result<(), String> {
    let name = fingerprint_of(key);
    match key.public_params() {
        // 2048 bits of the modulus, plus the exponent and two lengths.
        PublicParams::RSA(rsa) if rsa.write_len() >= 2048 / 8 => {}
        PublicParams::RSA(_) => return Err(format!("key {name} is too short")),
        PublicParams::ECDSA(_)
        | PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_) => {}
        _ => return Err(format!("key {name}: unsupported algorithm")),
    }
    let config = own.config();
    let has_flags = config.is_some_and(|config| {
        let mut packets = config.hashed_subpackets();
        packets.any(|packet| matches!(packet.data, SubpacketData::KeyFlags(_)))
    });
    match has_flags && !own.key_flags().sign() {
        true => Err(format!("key {name} is not a signing key")),
        false => Ok(()),
    }
}

fn created(signature: &Signature) -> Option<i64> {
    signature.created().map(|time| i64::from(time.as_secs()))
}

fn fingerprint_of(key: &impl KeyDetails) -> String {
    format!("{:X}", key.fingerprint())
}

fn invalid(why: &str) -> Error {
    let why = why.to_owned();
    Fault::Signature { why }.into()
}

#[cfg(test)]
mod tests {
    use super::super::clearsign::{ClearSigned, parse_detached};
    use super::*;

    macro_rules! signed {
        ($name:literal) => {
            include_bytes!(concat!("../../../testdata/debian/signed/", $name))
        };
    }

    const KEYRING: &[u8] = signed!("keyring.gpg");
    const RELEASE: &[u8] = signed!("Release");

    fn verify(keyring: &[u8], text: &[u8]) -> Result<Verdict> {
        let text = std::str::from_utf8(text).expect("text");
        let parts = ClearSigned::parse(text).expect("a signed text");
        Keyring::parse(keyring)?.verify(&parts.signature, &parts.signed)
    }

    #[test]
    fn valid_signatures_are_accepted() {
        for (text, user) in [
            (&signed!("InRelease.good")[..], "good"),
            (signed!("InRelease.rsa"), "rsa"),
            (signed!("InRelease.sub"), "sub"),
            (signed!("InRelease.two"), "good"),
        ] {
            for keyring in [KEYRING, signed!("keyring.asc")] {
                let verdict = verify(keyring, text).expect(user);
                let signer = &verdict.signers[0];
                assert_eq!(signer.user, format!("{user} <{user}@example.org>"));
                assert_eq!(signer.time, 1_717_200_000);
                assert_eq!(signer.fingerprint != signer.signing_key, user == "sub");
                let is_two = text == signed!("InRelease.two");
                assert_eq!(verdict.bad.len(), usize::from(is_two), "{:?}", verdict.bad);
            }
        }
        let keyring = Keyring::parse(KEYRING).expect("a keyring");
        for signature in [
            &signed!("Release.gpg.binary")[..],
            signed!("Release.gpg.armored"),
        ] {
            let packets = parse_detached(signature).expect("a signature");
            assert_eq!(
                keyring
                    .verify(&packets, RELEASE)
                    .expect("good")
                    .signers
                    .len(),
                1
            );
            assert!(keyring.verify(&packets, &RELEASE[1..]).is_err());
        }
    }

    #[test]
    fn invalid_signatures_are_refused_with_a_reason() {
        for (text, why) in [
            (&signed!("InRelease.stranger")[..], "key not in the keyring"),
            (signed!("InRelease.sha1"), "weak digest algorithm SHA1"),
            (signed!("InRelease.short"), "too short"),
            (signed!("InRelease.dsa"), "unsupported algorithm"),
            (signed!("InRelease.revoked"), "is revoked"),
            (signed!("InRelease.expired"), "had expired"),
            (signed!("InRelease.early"), "is newer than the signature"),
        ] {
            let error = verify(KEYRING, text).expect_err(why).to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        let good = String::from_utf8(signed!("InRelease.good").to_vec()).expect("text");
        let changed = good.replace("bookworm", "bullseye");
        let error = verify(KEYRING, changed.as_bytes())
            .expect_err("changed")
            .to_string();
        assert!(error.contains("does not match the data"), "{error}");
    }

    #[test]
    fn unbound_subkeys_are_refused() {
        let text = signed!("InRelease.sub");
        let mut keyring = Keyring::parse(KEYRING).expect("a keyring");
        let parts = ClearSigned::parse(std::str::from_utf8(text).expect("text")).expect("signed");
        let (mut other, mut owner) = (None, None);
        for (number, key) in keyring.keys.iter().enumerate() {
            // The first key is valid.
            match key.public_subkeys.is_empty() {
                true => other = other.or(Some(number)),
                false => owner = Some(number),
            }
        }
        let (other, owner) = (other.expect("a key"), owner.expect("a key with a subkey"));
        // A subkey attached to another primary key is not bound to it.
        let taken = keyring.keys[owner].public_subkeys.clone();
        keyring.keys[other].public_subkeys = taken;
        keyring.keys.remove(owner);
        let error = keyring.verify(&parts.signature, &parts.signed);
        let error = error.expect_err("not bound").to_string();
        assert!(error.contains("is not bound to its primary key"), "{error}");
    }

    #[test]
    fn invalid_keyrings_and_signatures_are_refused() {
        let error = Keyring::parse(signed!("keyring.kbx")).expect_err("a keybox");
        assert!(
            matches!(error.fault(), Fault::Keyring { keybox: true, .. }),
            "{error}"
        );
        for bytes in [&b""[..], b"text", RELEASE, b"\x99\x00", &KEYRING[1..]] {
            assert!(Keyring::parse(bytes).is_err());
        }
        let keyring = Keyring::parse(KEYRING).expect("a keyring");
        let packets = parse_detached(signed!("Release.gpg.binary")).expect("a signature");
        for cut in 0..packets.len() {
            assert!(
                keyring.verify(&packets[..cut], RELEASE).is_err(),
                "cut at {cut}"
            );
        }
        assert!(keyring.verify(KEYRING, RELEASE).is_err());
    }
}
