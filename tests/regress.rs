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

/// The error came from a kind alone, and said `entity not found`.
#[test]
fn a_store_that_is_not_there_is_said_in_the_words_of_the_system() {
    let wanted = "imgls: nowhere: cannot open: no such file or directory\n";
    Room::new().run("imgls --store nowhere").fails(wanted);
    Room::new().run("imgls --store nowhere demo").fails(wanted);
}
