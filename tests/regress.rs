//! Bugs that were there once.

use crate::common::build;
use crate::common::run::Room;

/// clap took `-:REF` for an option, so no image of several could be chosen on standard input.
#[test]
fn one_of_several_images_on_standard_input() {
    let (app, tool) = (
        build::image("demo:1"),
        build::image("tool:2").layer("f a b"),
    );
    let tar = build::docker(&[&app.layer("f a a"), &tool]).tar();
    let room = Room::new();
    room.command("imghistory -:tool:2 --format '{{.ID}} {{.CreatedBy}}'")
        .pipe(&tar)
        .run()
        .ok(&format!("{} COPY layer 1 /\n", tool.short()));
    room.command("imgls -:")
        .pipe(&tar)
        .run()
        .fails("imgls: a reference is missing after ':'\n");
}
