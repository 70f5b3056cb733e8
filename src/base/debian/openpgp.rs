//! Signatures of repositories: whether a key of a keyring made one, and might.
//!
//! Packets and arithmetic are the crate `pgp`'s; what is accepted is decided here, in the spirit of gpgv:
//! - the signature, and each by which a key speaks for itself, is of version 4 or 6 and over a SHA-2 or SHA-3 digest of
//!   256 bits or more: MD5, SHA-1 and RIPEMD-160 are refused;
//! - the key existed, was neither expired nor revoked, and was one for signing, when the signature was made (a key that
//!   is revoked because others have it, or without a reason, never counts);
//! - a subkey is bound by its primary key, and says by a signature of its own that it belongs to it;
//! - RSA keys have 2048 bits or more, DSA keys are refused;
//! - something critical in a signature that is not understood makes it void.
//!
//! Of a key's words on itself the latest counts, as gpg has it: keyrings keep only that one.

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

/// Bytes of one keyring, and of a signature's packets.
const MAX_KEYRING: u64 = 16 << 20;
const MAX_SIGNATURE: usize = 1 << 20;

/// Signatures of one file that are looked at.
const MAX_SIGNATURES: usize = 64;

/// The keys that are trusted.
#[derive(Debug, Clone)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

/// A key that made a good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The fingerprint of the primary key, in upper-case hexadecimal digits.
    pub fingerprint: String,
    /// The fingerprint of the key that signed: the same, or a subkey's.
    pub signing_key: String,
    /// The first of the key's user IDs.
    pub user: String,
    /// When it was signed, in seconds since 1970.
    pub time: i64,
}

/// Signatures that were looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    /// Those that are good.
    pub(super) signers: Vec<Signer>,
    /// What is wrong with the others.
    pub(super) bad: Vec<String>,
}

impl Keyring {
    /// Reads keyrings, binary or armored, as `gpg --export` writes them.
    ///
    /// # Errors
    /// `Keyring` for what is none, also for gpg's own `.kbx`; `Io`, `Limit`. The place is the file.
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

    /// The same of bytes.
    ///
    /// # Errors
    /// `Keyring`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |why: &str, keybox| {
            let why = why.to_owned();
            Error::new(Fault::Keyring { why, keybox })
        };
        if bytes.get(8..12) == Some(b"KBXf") {
            return Err(wrong("it is a keybox of gpg's own", true));
        }
        let packets = match bytes.first() {
            None => return Err(wrong("it is empty", false)),
            Some(byte) if byte & 0x80 != 0 => bytes.to_vec(),
            Some(_) => clearsign::armored(bytes, "-----BEGIN PGP PUBLIC KEY BLOCK-----")
                .map_err(|_| wrong("it has no public key", false))?,
        };
        let damaged = |error: pgp::errors::Error| wrong(&error.to_string(), false);
        let keys = SignedPublicKey::from_bytes_many(&packets[..]).map_err(damaged)?;
        let keys: Result<Vec<_>, _> = keys.collect();
        let keys = keys.map_err(damaged)?;
        match keys.is_empty() {
            true => Err(wrong("it has no public key", false)),
            false => Ok(Keyring { keys }),
        }
    }

    /// The fingerprints of the primary keys.
    pub fn fingerprints(&self) -> Vec<String> {
        let keys = self.keys.iter();
        keys.map(|key| shown(&key.primary_key)).collect()
    }

    /// Looks at the signatures over some bytes. One good one is enough.
    ///
    /// # Errors
    /// `Signature` where there is no good one.
    pub(super) fn verify(&self, packets: &[u8], signed: &[u8]) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        if packets.len() > MAX_SIGNATURE {
            return Err(none("its signatures are too long"));
        }
        for (number, packet) in PacketParser::new(packets).enumerate() {
            if number >= MAX_SIGNATURES {
                verdict.bad.push("there are too many".to_owned());
                break;
            }
            match packet {
                Ok(Packet::Signature(signature)) => match self.judge(&signature, signed) {
                    Ok(signer) => verdict.signers.push(signer),
                    Err(why) => verdict.bad.push(why),
                },
                Ok(_) => verdict
                    .bad
                    .push("something that is no signature".to_owned()),
                Err(_) => verdict.bad.push("a damaged signature".to_owned()),
            }
        }
        match (verdict.signers.is_empty(), verdict.bad.is_empty()) {
            (false, _) => Ok(verdict),
            (true, true) => Err(none("there is none")),
            (true, false) => Err(none(&verdict.bad.join("; "))),
        }
    }

    fn judge(&self, signature: &Signature, signed: &[u8]) -> Result<Signer, String> {
        if !matches!(
            signature.typ(),
            Some(SignatureType::Binary | SignatureType::Text)
        ) {
            return Err("a signature that is not one over a file".to_owned());
        }
        check(signature)?;
        let time = created(signature).ok_or("a signature without a time")?;
        let mut tried = None;
        for key in &self.keys {
            if is_by(signature, &key.primary_key) {
                tried.get_or_insert_with(|| shown(&key.primary_key));
                if signature.verify(&key.primary_key, signed).is_ok() {
                    may_sign(key, time)?;
                    return Ok(signer(key, shown(&key.primary_key), time));
                }
            }
            for subkey in &key.public_subkeys {
                if !is_by(signature, &subkey.key) {
                    continue;
                }
                tried.get_or_insert_with(|| shown(&subkey.key));
                if signature.verify(&subkey.key, signed).is_ok() {
                    subkey_may_sign(key, subkey, time)?;
                    return Ok(signer(key, shown(&subkey.key), time));
                }
            }
        }
        Err(match tried {
            Some(key) => format!("the signature by {key} is not over these bytes"),
            None => {
                let ids = signature.issuer_fingerprint();
                let ids = ids.iter().map(|id| format!("{id:X}"));
                let short = signature.issuer_key_id();
                let short = short.iter().map(|id| hex::encode_upper(id.as_ref()));
                let id = ids.chain(short).next().unwrap_or_default();
                format!("no key of the keyring made the signature by {id}")
            }
        })
    }
}

fn signer(key: &SignedPublicKey, signing_key: String, time: i64) -> Signer {
    let user = key.details.users.first();
    Signer {
        fingerprint: shown(&key.primary_key),
        signing_key,
        user: user
            .map(|user| String::from_utf8_lossy(user.id.id()).into_owned())
            .unwrap_or_default(),
        time,
    }
}

/// Whether a signature says that a key made it, or does not say who did.
fn is_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let (prints, ids) = (signature.issuer_fingerprint(), signature.issuer_key_id());
    prints.contains(&&key.fingerprint())
        || ids.contains(&&key.legacy_key_id())
        || prints.is_empty() && ids.is_empty()
}

/// What holds for every signature, whatever it is over.
fn check(signature: &Signature) -> Result<(), String> {
    if !matches!(
        signature.version(),
        SignatureVersion::V4 | SignatureVersion::V6
    ) {
        return Err("a signature of an old or unknown version".to_owned());
    }
    let config = signature.config().ok_or("a signature of an unknown form")?;
    match config.hash_alg {
        HashAlgorithm::Sha256
        | HashAlgorithm::Sha384
        | HashAlgorithm::Sha512
        | HashAlgorithm::Sha3_256
        | HashAlgorithm::Sha3_512 => {}
        weak => return Err(format!("a signature over a weak digest, {weak}")),
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
        true => Err("a signature with something critical that is not known".to_owned()),
        false => Ok(()),
    }
}

/// Whether a primary key was one to sign with at that time.
fn may_sign(key: &SignedPublicKey, time: i64) -> Result<(), String> {
    let word = primary(key, time)?;
    signs(&key.primary_key, word)
}

/// The latest word of a primary key on itself, if it was good at that time.
fn primary(key: &SignedPublicKey, time: i64) -> Result<&Signature, String> {
    let (primary, details) = (&key.primary_key, &key.details);
    let name = shown(primary);
    let revocations = details.revocation_signatures.iter();
    for revocation in revocations {
        if counts(revocation, time) && revocation.verify_key(primary).is_ok() {
            return Err(format!("its key {name} is revoked"));
        }
    }
    let direct = details.direct_signatures.iter();
    let direct = direct.filter(|word| word.typ() == Some(SignatureType::Key));
    let direct = direct.filter(|word| word.verify_key(primary).is_ok());
    let users = details.users.iter().filter_map(|user| {
        let ours = user.signatures.iter().filter(|word| {
            let is_ours = is_by(word, primary);
            is_ours
                && word
                    .verify_certification(primary, Tag::UserId, &user.id)
                    .is_ok()
        });
        let last = ours.max_by_key(|word| created(word))?;
        // A user ID that was taken back says nothing any more.
        last.is_certification().then_some(last)
    });
    let words = direct.chain(users).filter(|word| check(word).is_ok());
    let word = words.max_by_key(|word| created(word));
    let word = word.ok_or_else(|| format!("its key {name} has no good signature of its own"))?;
    lives(primary, word, time)?;
    Ok(word)
}

/// Whether a subkey was one to sign with at that time.
fn subkey_may_sign(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    time: i64,
) -> Result<(), String> {
    primary(key, time)?;
    let name = shown(&subkey.key);
    let mut binding: Option<&Signature> = None;
    for word in &subkey.signatures {
        if word
            .verify_subkey_binding(&key.primary_key, &subkey.key)
            .is_err()
        {
            continue;
        }
        match word.typ() {
            Some(SignatureType::SubkeyRevocation) if counts(word, time) => {
                return Err(format!("its subkey {name} is revoked"));
            }
            Some(SignatureType::SubkeyBinding)
                if check(word).is_ok()
                    && binding.is_none_or(|last| created(last) <= created(word)) =>
            {
                binding = Some(word);
            }
            _ => {}
        }
    }
    let binding = binding.ok_or_else(|| format!("its subkey {name} is not bound to its key"))?;
    lives(&subkey.key, binding, time)?;
    signs(&subkey.key, binding)?;
    let back = binding.embedded_signature().filter(|back| {
        let verified = back.verify_primary_key_binding(&subkey.key, &key.primary_key);
        check(back).is_ok() && verified.is_ok()
    });
    match back {
        Some(_) => Ok(()),
        None => Err(format!(
            "its subkey {name} does not say that it belongs to its key"
        )),
    }
}

/// Whether a revocation is of a time: one for a harmless reason does not void what was before it.
fn counts(revocation: &Signature, time: i64) -> bool {
    let harmless = matches!(
        revocation.revocation_reason_code(),
        Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired)
    );
    !harmless || created(revocation).is_none_or(|at| at <= time)
}

/// Whether a key was there and not expired.
fn lives(key: &impl KeyDetails, word: &Signature, time: i64) -> Result<(), String> {
    let start = i64::from(key.created_at().as_secs());
    if start > time {
        return Err(format!("its key {} is younger", shown(key)));
    }
    let lifetime = word.key_expiration_time();
    let lifetime = lifetime
        .map(|it| i64::from(it.as_secs()))
        .filter(|it| *it > 0);
    let ended = |from: Option<i64>, after: Option<i64>| match (from, after) {
        (Some(from), Some(after)) => from.saturating_add(after) <= time,
        _ => false,
    };
    let validity = word.signature_expiration_time();
    let validity = validity
        .map(|it| i64::from(it.as_secs()))
        .filter(|it| *it > 0);
    match ended(Some(start), lifetime) || ended(created(word), validity) {
        true => Err(format!("its key {} was expired", shown(key))),
        false => Ok(()),
    }
}

/// Whether a key is one to sign with, by what it is and what it says.
fn signs(key: &impl KeyDetails, word: &Signature) -> Result<(), String> {
    let name = shown(key);
    match key.public_params() {
        // 2048 bits of the modulus, the exponent and two lengths.
        PublicParams::RSA(rsa) if rsa.write_len() >= 2048 / 8 => {}
        PublicParams::RSA(_) => return Err(format!("its key {name} is too short")),
        PublicParams::ECDSA(_)
        | PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_) => {}
        _ => return Err(format!("its key {name} is of a kind that is not accepted")),
    }
    let config = word.config();
    let says = config.is_some_and(|config| {
        let mut packets = config.hashed_subpackets();
        packets.any(|packet| matches!(packet.data, SubpacketData::KeyFlags(_)))
    });
    match says && !word.key_flags().sign() {
        true => Err(format!("its key {name} is not one for signing")),
        false => Ok(()),
    }
}

fn created(signature: &Signature) -> Option<i64> {
    signature.created().map(|time| i64::from(time.as_secs()))
}

fn shown(key: &impl KeyDetails) -> String {
    format!("{:X}", key.fingerprint())
}

fn none(why: &str) -> Error {
    let why = why.to_owned();
    Fault::Signature { why }.into()
}

#[cfg(test)]
mod tests {
    use super::super::clearsign::{ClearSigned, detached};
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
    fn good_signatures_are_good() {
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
            let packets = detached(signature).expect("a signature");
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
    fn every_other_signature_is_bad_for_its_own_reason() {
        for (text, why) in [
            (&signed!("InRelease.stranger")[..], "no key of the keyring"),
            (signed!("InRelease.sha1"), "weak digest, SHA1"),
            (signed!("InRelease.short"), "too short"),
            (signed!("InRelease.dsa"), "not accepted"),
            (signed!("InRelease.revoked"), "is revoked"),
            (signed!("InRelease.expired"), "was expired"),
            (signed!("InRelease.early"), "is younger"),
        ] {
            let error = verify(KEYRING, text).expect_err(why).to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        let good = String::from_utf8(signed!("InRelease.good").to_vec()).expect("text");
        let changed = good.replace("bookworm", "bullseye");
        let error = verify(KEYRING, changed.as_bytes())
            .expect_err("changed")
            .to_string();
        assert!(error.contains("is not over these bytes"), "{error}");
    }

    #[test]
    fn a_subkey_without_its_binding_signs_nothing() {
        let text = signed!("InRelease.sub");
        let mut keyring = Keyring::parse(KEYRING).expect("a keyring");
        let parts = ClearSigned::parse(std::str::from_utf8(text).expect("text")).expect("signed");
        let (mut other, mut owner) = (None, None);
        for (number, key) in keyring.keys.iter().enumerate() {
            // The first is the good one.
            match key.public_subkeys.is_empty() {
                true => other = other.or(Some(number)),
                false => owner = Some(number),
            }
        }
        let (other, owner) = (other.expect("a key"), owner.expect("a key with a subkey"));
        // A subkey that somebody else takes for his own is not bound to him.
        let taken = keyring.keys[owner].public_subkeys.clone();
        keyring.keys[other].public_subkeys = taken;
        keyring.keys.remove(owner);
        let error = keyring.verify(&parts.signature, &parts.signed);
        let error = error.expect_err("not bound").to_string();
        assert!(error.contains("is not bound to its key"), "{error}");
    }

    #[test]
    fn what_is_no_keyring_or_no_signature_is_refused() {
        let error = Keyring::parse(signed!("keyring.kbx")).expect_err("a keybox");
        assert!(
            matches!(error.fault(), Fault::Keyring { keybox: true, .. }),
            "{error}"
        );
        for bytes in [&b""[..], b"text", RELEASE, b"\x99\x00", &KEYRING[1..]] {
            assert!(Keyring::parse(bytes).is_err());
        }
        let keyring = Keyring::parse(KEYRING).expect("a keyring");
        let packets = detached(signed!("Release.gpg.binary")).expect("a signature");
        for cut in 0..packets.len() {
            assert!(
                keyring.verify(&packets[..cut], RELEASE).is_err(),
                "cut at {cut}"
            );
        }
        assert!(keyring.verify(KEYRING, RELEASE).is_err());
    }
}
