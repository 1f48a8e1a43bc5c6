//! Floor 6: what a checkpoint says of itself stands in the file, and disturbs no reader of it.
#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path};

use convscope::{
    Checkpoint, MemorySink, Metrics, ModelCard, Session,
    arch::ModelSpec,
    data::{Normalization, Preprocessing},
};
use tch::{Device, Tensor, nn};

fn card() -> ModelCard {
    let normalization = Normalization { mean: vec![0.25], std: vec![0.5] };
    ModelCard {
        model: Some(ModelSpec::default_model(2).unwrap()),
        preprocessing: Some(Preprocessing::for_input([1, 28, 28], normalization).unwrap()),
        classes: vec!["T-shirt/top \"x\"".to_owned(), "日本\n'''".to_owned()],
        data: Some("idx:/data/a b".to_owned()),
        step: Some(7),
        epoch: Some(2),
    }
}

fn store() -> nn::VarStore {
    let store = nn::VarStore::new(Device::Cpu);
    let _ = (store.root() / "a").ones("weight", &[2, 3]);
    let _ = store.root().zeros("b", &[]);
    store
}

fn read(path: &Path) -> BTreeMap<String, Tensor> {
    Tensor::read_safetensors(path).unwrap().into_iter().collect()
}

#[test]
fn a_card_is_read_back_and_other_readers_see_the_values_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [with, without] =
        ["with", "without"].map(|name| folder.path().join(name).with_extension("safetensors"));
    let store = store();
    Checkpoint::save_with(&store, &card(), &with).unwrap();
    Checkpoint::save(&store, &without).unwrap();
    assert_eq!(ModelCard::read(&with).unwrap(), Some(card()));
    assert_eq!(ModelCard::read(&without).unwrap(), None);
    assert_eq!(read(&with), read(&without));
    assert_eq!(read(&with)["a.weight"].size(), [2, 3]);
    Checkpoint::load(&store, &with).unwrap();

    // The same values and card are the same bytes.
    let again = folder.path().join("again.safetensors");
    Checkpoint::save_with(&store, &card(), &again).unwrap();
    assert_eq!(fs::read(&with).unwrap(), fs::read(&again).unwrap());
    // Values begin at a multiple of 8 bytes, as the format advises.
    let header = u64::from_le_bytes(fs::read(&with).unwrap()[..8].try_into().unwrap());
    assert_eq!(header % 8, 0);
}

#[test]
fn the_callback_adds_step_and_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let store = store();
    let callback = Checkpoint::new(folder.path()).card(ModelCard { step: None, epoch: None, ..card() });
    let mut session = Session::new(&store, callback, MemorySink::default());
    for (epoch, loss) in [(1, 0.5), (2, 0.75)] {
        for _ in 0..3 {
            let scope = session.begin_step().unwrap();
            assert!(scope.end(&Tensor::from(0.5f32)).unwrap().is_continue(), "{epoch}");
        }
        assert!(session.end_validation(&Metrics::from([("loss", loss)])).unwrap().is_continue());
        assert!(session.end_epoch().unwrap().is_continue());
    }
    session.finish().unwrap();
    let read = |name: &str| ModelCard::read(folder.path().join(name)).unwrap().unwrap();
    assert_eq!(read(Checkpoint::BEST), ModelCard { step: Some(3), epoch: Some(1), ..card() });
    assert_eq!(read(Checkpoint::LAST), ModelCard { step: Some(6), epoch: Some(2), ..card() });
}

#[test]
fn other_cards_are_understood_as_far_as_they_go() {
    assert_eq!(ModelCard::from_toml("").unwrap(), ModelCard::default());
    assert_eq!(ModelCard::from_toml(&ModelCard::default().to_toml()).unwrap(), ModelCard::default());
    let later = ModelCard::from_toml("classes = ['a', 'b']\nof_a_later_version = [1]").unwrap();
    assert_eq!(later.classes, ["a", "b"]);
    for (text, says) in [
        ("classes = [1]", "field `classes`: a list of names expected"),
        ("step = -1", "field `step`"),
        ("model = 3", "field `model`"),
        ("model = 'name = 1'", "name"),
        ("preprocessing = 1", "field `preprocessing`: a table expected"),
        ("[preprocessing]\nmean = [1]", "preprocessing"),
        ("=", "it is no TOML"),
    ] {
        let error = ModelCard::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// Metadata of other programs, of whatever shape, is passed over; a damaged card names its file.
#[test]
fn files_of_other_programs_have_no_card() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let write = |metadata: &str| {
        let header = format!("{{\"__metadata__\":{metadata}}}");
        fs::write(&path, [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()).unwrap();
    };
    for metadata in ["{}", "{\"format\":\"pt\"}", "null", "[1]", "{\"convscope\":1}"] {
        write(metadata);
        assert_eq!(ModelCard::read(&path).unwrap(), None, "{metadata}");
    }
    write("{\"convscope\":\"step = 'x'\"}");
    let error = ModelCard::read(&path).unwrap_err().to_string();
    assert!(error.contains("a.safetensors") && error.contains("field `step`"), "{error}");
    fs::write(&path, b"PK\x03\x04 a zip file of torch.save").unwrap();
    assert!(ModelCard::read(&path).unwrap_err().to_string().contains("torch.save"));
}
