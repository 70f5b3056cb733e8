//! Docker half of an archive: images that `manifest.json` or `repositories` lists.

use std::collections::HashMap;
use std::sync::Arc;

use super::assembly::Assembly;
use super::container::Container;
use super::docker::{self, DockerItem, RepositoryRecord};
use super::graph::{check_digest, no_rootfs};
use super::halves::{docker_layers, name_layers};
use super::image::{Image, ImageId, Layer, Presence};
use super::model::{DockerHalf, Root};
use super::name::{Name, NameSet};
use super::positions::ImageIdx;
use crate::blob::sha256;
use crate::error::{At, Error, Fault, Result};
use crate::spec::{Digest, ImageConfig};

/// State shared by the items of one `manifest.json`.
struct Items<'a> {
    container: &'a Container,
    /// Images so far by ID; several manifests may share a config.
    by_id: HashMap<ImageId, Vec<ImageIdx>>,
    /// Configs so far by member; several items may share one.
    configs: HashMap<&'a str, ItemConfig>,
}

impl Assembly {
    /// Adds the images of the docker half. `manifest` is `None` for an archive with `repositories` alone.
    ///
    /// # Errors
    /// Damage that leaves no image of `repositories`, and, unless the archive is opened for examination, any damage to the
    /// chain of one; other damage is kept with the images.
    pub fn add_docker(
        &mut self,
        container: &Container,
        manifest: Option<Arc<[u8]>>,
        items: Vec<DockerItem>,
    ) -> Result<DockerHalf> {
        let repositories = docker::member_json(container, "repositories").and_then(|value| {
            value
                .map(|value| docker::parse_repositories(&value))
                .transpose()
        });
        let repositories = repositories
            .at(|| "repositories".into())
            .unwrap_or_else(|error| {
                self.faults.push(error);
                None
            });
        if manifest.is_some() {
            self.add_items(container, &items);
        } else {
            let records = repositories.as_deref().unwrap_or_default();
            let broken = self.add_v1(container, records);
            match broken.first() {
                Some(error) if !self.examine || self.images.is_empty() => {
                    return Err(error.clone());
                }
                _ => self.faults.extend(broken),
            }
        }
        Ok(DockerHalf {
            manifest,
            items,
            repositories,
        })
    }

    fn add_items(&mut self, container: &Container, items: &[DockerItem]) {
        let mut by_id: HashMap<ImageId, Vec<ImageIdx>> = HashMap::new();
        for (i, image) in self.images.iter_enumerated() {
            by_id.entry(image.id.clone()).or_default().push(i);
        }
        let mut state = Items {
            container,
            by_id,
            configs: HashMap::new(),
        };
        for (i, item) in items.iter().enumerate() {
            let names =
                NameSet::distinct(item.repo_tags.iter().map(|tag| Name::from_repo_tag(tag)));
            let image = self.add_item(&mut state, i, item);
            self.roots.push(Root {
                names,
                image: Some(image),
                item: Some(i),
                ..Root::default()
            });
        }
    }

    /// Adds the image of one item of `manifest.json`, or joins the item with the same image of the OCI half. Returns the
    /// image.
    fn add_item<'a>(
        &mut self,
        state: &mut Items<'a>,
        position: usize,
        item: &'a DockerItem,
    ) -> ImageIdx {
        let container = state.container;
        let read = state
            .configs
            .entry(&item.config)
            .or_insert_with(|| ItemConfig::read(container, &item.config));
        let mut faults: Vec<Error> = read.unread.iter().cloned().collect();
        let Some((config_bytes, id)) = read.bytes.clone() else {
            return self.add_item_without_config(state, position, item, faults);
        };
        if !self.examine
            && let Some(stated) = Digest::from_blob_path(&item.config)
        {
            let checked = check_digest(&config_bytes, &stated).at(|| item.config.clone());
            faults.extend(checked.err());
        }
        // The OCI half has the same image if a manifest there has this config; of several, the one whose blobs are the
        // layers of the item.
        let known = state.by_id.entry(id.clone()).or_default();
        let has_layers = |i: &&ImageIdx| {
            let layers = &self.images[**i].layers;
            layers.iter().map(|layer| &layer.member).eq(&item.layers)
        };
        if let Some(&twin) = known.iter().find(has_layers).or(known.first()) {
            if !self.examine {
                self.choose_half(container, position, item, twin);
            }
            return self.join_item(twin, position, faults);
        }
        let (config, unparsed) = read.config(container, &item.config);
        if unparsed.is_none() && config.diff_ids.is_none() && !item.layers.is_empty() {
            faults.push(no_rootfs().at(item.config.clone()));
        }
        faults.extend(unparsed);
        let image = self.docker_image(
            container,
            position,
            item,
            config,
            Some(config_bytes),
            faults,
        );
        known.push(image);
        self.images[image].id = id;
        image
    }

    fn add_item_without_config(
        &mut self,
        state: &Items<'_>,
        position: usize,
        item: &DockerItem,
        mut faults: Vec<Error>,
    ) -> ImageIdx {
        if faults.is_empty() {
            let name = item.config.clone();
            faults.push(Error::member_missing(name));
        }
        // An unreadable config that is named by its digest is still that of the image in the other half.
        let named = Digest::from_blob_path(&item.config).map(ImageId::Config);
        let twin = named.and_then(|id| state.by_id.get(&id)?.first().copied());
        match twin {
            Some(twin) => self.join_item(twin, position, faults),
            None => {
                let config = Arc::default();
                self.docker_image(state.container, position, item, config, None, faults)
            }
        }
    }

    fn join_item(&mut self, twin: ImageIdx, position: usize, faults: Vec<Error>) -> ImageIdx {
        let image = &mut self.images[twin];
        image.item.get_or_insert(position);
        image.faults.extend(faults);
        twin
    }

    fn docker_image(
        &mut self,
        container: &Container,
        position: usize,
        item: &DockerItem,
        config: Arc<ImageConfig>,
        config_bytes: Option<Arc<[u8]>>,
        mut faults: Vec<Error>,
    ) -> ImageIdx {
        let diff_ids = config.diff_ids.as_ref();
        if let Some(ids) = diff_ids.filter(|ids| ids.len() != item.layers.len()) {
            let fault = Fault::LayerCount {
                manifest: item.layers.len(),
                config: ids.len(),
            };
            faults.push(Error::new(fault).at(item.config.clone()));
        }
        let mut layers = docker_layers(container, item, diff_ids, &mut faults);
        if !self.examine {
            name_layers(&mut layers);
        }
        self.images.push(Image {
            id: ImageId::V1(String::new()),
            platform: config.platform.clone(),
            config,
            config_bytes,
            manifest: None,
            node: None,
            item: Some(position),
            layers,
            faults,
        })
    }

    /// Adds the images of an archive that has `repositories` alone. Returns the errors of those whose chain of parents is
    /// broken.
    fn add_v1(&mut self, container: &Container, records: &[RepositoryRecord]) -> Vec<Error> {
        let mut broken = Vec::new();
        let mut by_id: Vec<(&str, Vec<Name>)> = Vec::new();
        let mut positions: HashMap<&str, usize> = HashMap::new();
        for record in records {
            let name = Name::from_repo_tag(&format!("{}:{}", record.repository, record.tag));
            let position = *positions.entry(&record.id).or_insert(by_id.len());
            match by_id.get_mut(position) {
                Some((_, names)) => names.push(name),
                None => by_id.push((&record.id, vec![name])),
            }
        }
        for (id, names) in by_id {
            let name = names.first().map(ToString::to_string).unwrap_or_default();
            let v1 = match docker::v1_chain(container, &name, id) {
                Ok(v1) => v1,
                Err(error) => {
                    broken.push(error);
                    continue;
                }
            };
            let mut faults = Vec::new();
            let layers = v1.layers.into_iter().map(|member| {
                let presence = match container.get(&member) {
                    Ok(Some(content)) => Presence::Present(content),
                    Ok(None) => Presence::Missing,
                    Err(error) => {
                        faults.push(error);
                        Presence::Unreadable
                    }
                };
                Layer {
                    descriptor: None,
                    diff_id: None,
                    member,
                    presence,
                }
            });
            let layers = layers.collect();
            let image = self.images.push(Image {
                id: ImageId::V1(v1.id),
                platform: v1.config.platform.clone(),
                config: Arc::new(v1.config),
                config_bytes: None,
                manifest: None,
                node: None,
                item: None,
                layers,
                faults,
            });
            self.roots.push(Root {
                names,
                image: Some(image),
                ..Root::default()
            });
        }
        broken
    }
}

/// Config of items of `manifest.json`, read and parsed once for each member.
#[derive(Default)]
struct ItemConfig {
    bytes: Option<(Arc<[u8]>, ImageId)>,
    /// Error of a member that exists and cannot be read.
    unread: Option<Error>,
    parsed: Option<(Arc<ImageConfig>, Option<Error>)>,
}

impl ItemConfig {
    fn read(container: &Container, member: &str) -> Self {
        let mut read = ItemConfig::default();
        match container.read(member, container.limits.of_config()) {
            Ok(bytes) => {
                read.bytes = bytes.map(|bytes| {
                    // A blob of an OCI layout may be named by another digest algorithm, and so may the image.
                    let named = Digest::from_blob_path(member)
                        .filter(|named| check_digest(&bytes, named).is_ok());
                    let id = ImageId::Config(named.unwrap_or_else(|| sha256(&bytes)));
                    (bytes, id)
                });
            }
            Err(error) => read.unread = Some(error),
        }
        read
    }

    fn config(&mut self, container: &Container, member: &str) -> (Arc<ImageConfig>, Option<Error>) {
        let bytes = self.bytes.as_ref().map_or(&[][..], |(bytes, _)| bytes);
        let parse =
            || match ImageConfig::parse(bytes, &container.limits.json).at(|| member.to_owned()) {
                Ok(config) => (Arc::new(config), None),
                Err(error) => (Arc::default(), Some(error)),
            };
        self.parsed.get_or_insert_with(parse).clone()
    }
}
