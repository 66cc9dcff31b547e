//! The services of the pod that are checked: the main one and every `--target`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::options::Options as TargetOptions;
use super::target::{InvalidTarget, Settings, Target};
use super::verdict::Check;

use self::options::Options;

pub(crate) mod options;

/// The targets: at least one, each with its own name.
#[derive(Clone, Debug)]
pub(crate) struct Targets(Vec<Arc<Target>>);

// === impl Targets ===

impl Targets {
    /// Creates the main target first, then every `--target`. Connects to none.
    ///
    /// # Errors
    ///
    /// Returns an [`InvalidTarget`].
    pub(crate) fn new(
        main: &TargetOptions,
        options: &Options,
        settings: &Settings,
    ) -> Result<Self, InvalidTarget> {
        let settings = Settings {
            cache: options.cache.0,
            ..settings.clone()
        };
        let named = options.targets.iter().map(|named| TargetOptions {
            server_name: named.name.clone(),
            server_address: named.address.clone(),
            ..main.clone()
        });
        let all = std::iter::once(main.clone()).chain(named);
        let all = all.map(|target| Target::new(target, &settings));
        Ok(Self(all.collect::<Result<_, _>>()?))
    }

    /// Returns the name of the main target.
    pub(crate) fn name(&self) -> &str {
        self.0.first().map_or("", |main| main.name())
    }

    /// Returns every target, the main one first.
    pub(crate) fn all(&self) -> &[Arc<Target>] {
        &self.0
    }

    /// Returns the target of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&[Arc<Target>]> {
        let index = self.0.iter().position(|target| target.name() == name)?;
        self.0.get(index..=index)
    }

    /// Returns the longest duration of a probe: one check, because all are made at once.
    pub(crate) fn check_timeout(&self) -> Duration {
        let timeouts = self.0.iter().map(|target| target.check_timeout());
        timeouts.max().unwrap_or_default()
    }
}

/// Checks some of the targets at once, each joining its check in flight.
pub(crate) async fn check(targets: &[Arc<Target>]) -> Vec<Arc<Check>> {
    match targets {
        [only] => vec![only.check().await],
        several => join_all(several.iter().map(Target::check)).await,
    }
}
