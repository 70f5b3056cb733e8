//! imgls, run for real.

use crate::common::build;
use crate::common::run::Room;

#[test]
fn the_images_of_an_archive_are_a_table_as_docker_prints_it() {
    let app = build::image("demo:1").layer("d etc | f etc/a one | f etc/b two");
    let room = Room::with("app.tar", &build::docker(&[&app]));
    room.run("imgls app.tar").ok(&format!(
        "REPOSITORY   TAG       IMAGE ID       CREATED      SIZE\n\
         demo         1         {}   2 days ago   6B\n",
        app.short()
    ));
}
