//! Targets that are none, each told by name, field and reason.

use super::*;

async fn refused(change: impl FnOnce(&World, &mut TargetConfig)) -> String {
    let world = World::new().await;
    let mut target = world.target();
    change(&world, &mut target);
    let config = Config {
        targets: vec![target],
        ..world.config()
    };
    let built = Webhooks::build(config, world.around());
    built.err().expect("refused").to_string()
}

#[tokio::test]
async fn a_target_that_is_none_is_told_with_its_field() {
    let told = refused(|_, target| target.url = "http://example.org/x".to_owned()).await;
    assert_eq!(
        told,
        "webhooks.targets: \"pager\": url must be https; http is for this machine"
    );
    let told = refused(|_, target| target.url = "https://ann:pw@example.org/".to_owned()).await;
    assert!(told.contains("url must hold no user"), "{told}");
    assert!(!told.contains("pw"), "no password is told: {told}");
    let told = refused(|_, target| target.url = "example".to_owned()).await;
    assert!(told.contains("url is no address"), "{told}");
    let told = refused(|_, target| target.name = "a b".to_owned()).await;
    assert!(told.contains("name is no name"), "{told}");
    let told = refused(|_, target| target.fleets = vec!["no fleet".to_owned()]).await;
    assert!(told.contains("fleets has \"no fleet\""), "{told}");
    let told = refused(|_, target| target.severity = Some("bad".to_owned())).await;
    assert!(told.contains("severity must be one of emergency"), "{told}");
    let told = refused(|_, target| target.secret_file = PathBuf::from("/nowhere")).await;
    assert!(
        told.contains("secret_file /nowhere cannot be read"),
        "{told}"
    );
    let told = refused(|world, target| {
        target.secret_file = world.directory.path().join("short");
        std::fs::write(&target.secret_file, "whsec_AAAA").unwrap();
    })
    .await;
    assert!(told.contains("has a secret of 3 bytes in line 1"), "{told}");
}

#[tokio::test]
async fn two_targets_of_one_name_are_refused() {
    let world = World::new().await;
    let config = Config {
        targets: vec![world.target(), world.target()],
        ..world.config()
    };
    let told = Webhooks::build(config, world.around()).err().unwrap();
    assert!(told.to_string().contains("name is the name of two targets"));
}
