//! The resources of the containers: memory, processor, a token.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Container;

use super::command_line::sidecar;
use super::overlay::{Overlay, containers};

/// The most memory that a flood uses, in MiB: the budget of `just budgets` for the slim file, and
/// twice the memory that a registration may add.
const FLOODED: u64 = 32;
const REGISTERED: u64 = FLOODED + 8;

#[tokio::test]
async fn the_sidecar_has_no_cpu_limit_and_enough_memory_for_a_flood() {
    for overlay in Overlay::all().await {
        let spec = overlay.spec();
        let Some(container) = sidecar(&spec).filter(|_| overlay.name != "seed-compat") else {
            continue;
        };
        let name = &overlay.name;
        let resources = container.resources.as_ref();
        let limits = resources
            .and_then(|it| it.limits.clone())
            .unwrap_or_default();
        assert_eq!(limits.keys().collect::<Vec<_>>(), ["memory"], "{name}");
        let is_full = container.image.as_deref() == Some("health:full");
        let expected = if is_full { REGISTERED } else { FLOODED };
        assert_eq!(limits["memory"].0, format!("{expected}Mi"), "{name}");
    }
}

#[tokio::test]
async fn only_a_registering_sidecar_has_a_token() {
    for overlay in Overlay::all().await {
        let spec = overlay.spec();
        // The published manifest does not turn the token off.
        if overlay.name != "seed-compat" {
            assert_eq!(
                spec.automount_service_account_token,
                Some(false),
                "{}",
                overlay.name
            );
        }
        let volumes = spec.volumes.iter().flatten();
        let with_token: BTreeSet<_> = volumes
            .filter(|it| {
                let projected = it
                    .projected
                    .iter()
                    .flat_map(|it| it.sources.iter().flatten());
                projected
                    .into_iter()
                    .any(|it| it.service_account_token.is_some())
            })
            .map(|it| &it.name)
            .collect();
        let has_token = |it: &&Container| {
            let mounts = it.volume_mounts.iter().flatten();
            mounts.into_iter().any(|it| with_token.contains(&it.name))
        };
        let given: Vec<_> = containers(&spec)
            .filter(has_token)
            .map(|it| &*it.name)
            .collect();
        let expected: &[_] = if overlay.name == "registry" {
            &["health"]
        } else {
            &[]
        };
        assert_eq!(given, expected, "{}", overlay.name);
    }
}
