//! Lists as people write them, and lists that nobody should.

use std::io::Write;

use super::*;
use crate::error::{Error, Fault};
use crate::limits::Limits;
use crate::spec::Reference;

/// The references of a list, one a line: its line, what it means if not an image, and the text.
fn read(bytes: impl AsRef<[u8]>) -> Result<String, Error> {
    read_within(bytes, &Limits::default())
}

fn read_within(bytes: impl AsRef<[u8]>, limits: &Limits) -> Result<String, Error> {
    let reading = Reading {
        limits,
        any_string: None,
    };
    parse("list", bytes.as_ref(), reading).map(|listed| shown(&listed))
}

fn shown(listed: &[Listed]) -> String {
    let line = |listed: &Listed| {
        let Listed { line, text, .. } = listed;
        match &listed.meaning {
            Ok(_) if listed.is_string => format!("{line} string {text}\n"),
            Ok(_) => format!("{line} {text}\n"),
            Err(unresolved) => format!("{line} ({}) {text}\n", unresolved.why()),
        }
    };
    listed.iter().map(line).collect()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let expected: String = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(read(text).expect("a list"), expected);
    // Line ends of other systems, and the mark that their editors put in front.
    let other = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(read(other).expect("a list"), expected, "CRLF and a mark");
}

#[test]
fn text_lists() {
    check(
        "# k3s-images.txt\n\
         docker.io/rancher/klipper-helm:v0.8.4-build20240523\n\
         docker.io/rancher/mirrored-pause:3.6   # the sandbox\n\
         \n\
         \tghcr.io/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
         nginx, redis:7,\n\
         controller=registry.k8s.io/ingress-nginx/controller:v1.10.1\n\
         \"quoted/image:1\"\n\
         docker://alpine:3\n\
         {{ .Values.image }}:1\n\
         not an image\n\
         host:5000/a#b:1\n",
        "2 docker.io/rancher/klipper-helm:v0.8.4-build20240523
         3 docker.io/rancher/mirrored-pause:3.6
         5 ghcr.io/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
         6 nginx
         6 redis:7
         7 registry.k8s.io/ingress-nginx/controller:v1.10.1
         8 quoted/image:1
         9 docker://alpine:3
         10 (template, not rendered) {{ .Values.image }}:1
         11 (not an image reference) not an image
         12 (not an image reference) host:5000/a#b:1",
    );
    // What grep leaves of rendered charts.
    check(
        "          image: \"nginx:1.25\"\n        - image: redis:7  # cache\n      image: 'a/b:1'\n  image: {{ .x }}\n",
        "1 nginx:1.25
         2 redis:7
         3 a/b:1
         4 (template, not rendered) {{ .x }}",
    );
    check("image: {repository: a/b, tag: 1}\n", "1 a/b:1");
    check("", "");
    check("\n# nothing\n", "");
}

#[test]
fn kubernetes_in_several_documents() {
    check(
        r#"# rendered
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      initContainers:
      - name: init
        image: busybox
      containers:
      - name: web
        image: "nginx:1.25"   # the server
        args: [--image=registry.example/hidden:1]
        env:
        - {name: RELATED_IMAGE_OPERAND, value: registry.example/operand:2}
        - {name: IMAGE, value: registry.example/no:2}
      - image: 'registry.k8s.io/pause:3.9'
      - image:
      - image: ~
      - image: $(IMAGE)
      - image: 17
      volumes:
      - name: data
        image:
          reference: quay.io/data/set:v1
          pullPolicy: IfNotPresent
---
apiVersion: batch/v1
kind: CronJob
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: team/job@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}]}}}}}
...
---
# a definition that only speaks of images
kind: CustomResourceDefinition
spec:
  schema:
    properties:
      image: {type: string, description: The image}
      images:
        type: array
        description: "Images: all of them"
        items: {type: object, properties: {name: {type: string}}}
"#,
        "10 busybox
         13 nginx:1.25
         16 registry.example/operand:2
         18 registry.k8s.io/pause:3.9
         21 (variable) $(IMAGE)
         26 quay.io/data/set:v1
         31 team/job@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
}

#[test]
fn kubernetes_as_json() {
    check(
        "{\n\t\"kind\": \"List\",\n\t\"items\": [\n\t\t{\"spec\": {\"containers\": [{\"image\": \"app:1\",\n\t\t\t\"name\": \"a\\u0062\"}]}},\n\t\t{\"image\":\"quay.io\\/app:2\",\"null\":null,\"n\":1.5e3,\"t\":true}\n\t]\n}\n",
        "4 app:1\n6 quay.io/app:2",
    );
    check("[\"app:1\", \"app:2\"]", "1 app:1\n1 app:2");
}

#[test]
fn compose_files() {
    check(
        "name: shop\n\
         x-base: &base\n\
         \x20 image: shop/base:1\n\
         \x20 restart: always\n\
         services:\n\
         \x20 web:\n\
         \x20   <<: *base\n\
         \x20   ports: [\"80:80\"]\n\
         \x20 db:\n\
         \x20   image: postgres:16-alpine\n\
         \x20 cache:\n\
         \x20   <<: *base\n\
         \x20   image: redis:${REDIS_TAG:-7}\n\
         \x20 built:\n\
         \x20   build: .\n",
        "3 shop/base:1
         10 postgres:16-alpine
         13 (variable) redis:${REDIS_TAG:-7}",
    );
}

#[test]
fn kustomizations() {
    check(
        "apiVersion: kustomize.config.k8s.io/v1beta1\n\
         kind: Kustomization\n\
         resources: [deploy.yaml]\n\
         images:\n\
         - name: nginx\n\
         \x20 newTag: \"1.25\"\n\
         - name: app\n\
         \x20 newName: registry.example/team/app\n\
         \x20 newTag: 1.10\n\
         - name: db\n\
         \x20 newName: registry.example/db\n\
         \x20 digest: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
         - name: proxy\n\
         \x20 newName: registry.example/proxy\n",
        "5 nginx:1.25
         8 registry.example/team/app:1.10
         11 registry.example/db@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
         14 (no tag) registry.example/proxy",
    );
}

#[test]
fn annotations_of_charts() {
    check(
        "apiVersion: v2\n\
         name: shop\n\
         appVersion: 1.2.3\n\
         icon: https://example.org/image.png\n\
         dependencies:\n\
         - name: redis\n\
         \x20 version: 18.0.0\n\
         \x20 repository: https://charts.example/stable\n\
         annotations:\n\
         \x20 category: Database\n\
         \x20 artifacthub.io/images: |\n\
         \x20   - name: shop\n\
         \x20     image: quay.io/shop/shop:1.2.3\n\
         \x20     platforms: [linux/amd64]\n\
         \x20 images: |\n\
         \x20   # of Bitnami's kind\n\
         \x20   - name: redis\n\
         \x20     image: docker.io/bitnami/redis:7.2.4\n\
         \x20   - image: {{ .x }}\n",
        "13 quay.io/shop/shop:1.2.3
         18 docker.io/bitnami/redis:7.2.4
         19 (template, not rendered) {{ … }}",
    );
    check(
        "annotations:\n  images: |\n    a/b:1\n    c/d:2\n",
        "3 a/b:1\n4 c/d:2",
    );
    check(
        "annotations:\n  images: &a |2\n\n    - image: a/b:1\n  artifacthub.io/images: \"- image: c/d:2\\n- image: e/f:3\"\n  other: {images: *a}\n",
        "4 a/b:1\n4 a/b:1\n5 c/d:2\n5 e/f:3",
    );
    check(
        "annotations:\n  images: |\n    - a: [\n",
        "3 (not an image reference) - a: [",
    );
}

#[test]
fn values_of_charts() {
    check(
        "global:\n\
         \x20 imageRegistry: \"\"\n\
         image:\n\
         \x20 registry: docker.io\n\
         \x20 repository: bitnami/redis\n\
         \x20 tag: 7.2\n\
         \x20 digest: \"\"\n\
         sidecar:\n\
         \x20 image:\n\
         \x20   repository: quay.io/kiwigrid/k8s-sidecar\n\
         \x20   tag: 1.27.4\n\
         \x20   sha: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
         app:\n\
         \x20 image:\n\
         \x20   repository: team/app\n\
         \x20   tag: \"\"   # appVersion\n\
         \x20 pullPolicy: Always\n\
         old:\n\
         \x20 image: elastic/elasticsearch\n\
         \x20 imageTag: \"8.5.1\"\n\
         named:\n\
         \x20 image: {name: team/named, tag: v1}\n\
         images:\n\
         \x20 proxy: {repository: team/proxy, tag: \"{{ .Chart.AppVersion }}\"}\n\
         \x20 tags:\n\
         \x20   keystone: docker.io/openstackhelm/keystone:2023.1\n\
         \x20   pullPolicy: IfNotPresent\n\
         raw: {image: {{ .Values.x }}}\n\
         git:\n\
         \x20 repository: https://example.org/git\n\
         \x20 tag: v1\n\
         site: {image: true, tag: a}\n",
        "5 docker.io/bitnami/redis:7.2
         10 quay.io/kiwigrid/k8s-sidecar:1.27.4@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
         15 (no tag) team/app
         19 elastic/elasticsearch:8.5.1
         22 team/named:v1
         24 (template, not rendered) team/proxy:{{ .Chart.AppVersion }}
         26 docker.io/openstackhelm/keystone:2023.1
         28 (template, not rendered) {{ … }}",
    );
}

#[test]
fn packages_of_zarf() {
    check(
        "kind: ZarfPackageConfig\n\
         metadata:\n\
         \x20 name: dos-games\n\
         components:\n\
         - name: baseline\n\
         \x20 required: true\n\
         \x20 charts:\n\
         \x20 - {name: podinfo, url: https://example.org/x.git, version: 6.4.0}\n\
         \x20 images:\n\
         \x20 - ghcr.io/zarf-dev/doom-game:0.0.1\n\
         \x20 - \"ghcr.io/x/y:###ZARF_PKG_TMPL_TAG###\"\n\
         \x20 - nginx=registry.example/nginx:2\n",
        "10 ghcr.io/zarf-dev/doom-game:0.0.1
         11 (not an image reference) ghcr.io/x/y:###ZARF_PKG_TMPL_TAG###
         12 registry.example/nginx:2",
    );
}

#[test]
fn manifests_of_hauler_and_oc_mirror() {
    check(
        "apiVersion: content.hauler.cattle.io/v1\n\
         kind: Images\n\
         metadata: {name: images}\n\
         spec:\n\
         \x20 images:\n\
         \x20   - name: busybox:latest\n\
         \x20     platform: linux/amd64\n\
         \x20   - name: rancher/cowsay\n\
         ---\n\
         apiVersion: content.hauler.cattle.io/v1\n\
         kind: Charts\n\
         spec:\n\
         \x20 charts:\n\
         \x20   - name: rancher\n\
         \x20     repoURL: https://releases.example/server-charts/stable\n",
        "6 busybox:latest\n8 rancher/cowsay",
    );
    check(
        "kind: ImageSetConfiguration\n\
         apiVersion: mirror.openshift.io/v2alpha1\n\
         mirror:\n\
         \x20 operators:\n\
         \x20 - catalog: registry.redhat.io/redhat/redhat-operator-index:v4.16\n\
         \x20   packages: [{name: elasticsearch-operator}]\n\
         \x20 additionalImages:\n\
         \x20 - name: registry.redhat.io/ubi9/ubi:latest\n\
         \x20 blockedImages:\n\
         \x20 - name: registry.redhat.io/ubi8/ubi:latest\n",
        "8 registry.redhat.io/ubi9/ubi:latest",
    );
    check(
        "schema: olm.bundle\n\
         image: quay.io/op/bundle:v1\n\
         relatedImages:\n\
         - {name: \"\", image: quay.io/op/op:v1}\n\
         - quay.io/op/plain:v1\n",
        "2 quay.io/op/bundle:v1\n4 quay.io/op/op:v1\n5 quay.io/op/plain:v1",
    );
}

#[test]
fn anchors_and_aliases() {
    check(
        "tag: &tag v1\n\
         default: &default {repository: team/app, tag: *tag}\n\
         one: {<<: *default, tag: v2}\n\
         two: {<<: [*default], pullPolicy: Always}\n\
         three: {image: *default}\n\
         four: {image: &name team/four}\n\
         five: {image: *name}\n\
         list: &list [team/six:1]\n\
         images: *list\n",
        "2 team/app:v1
         3 team/app:v2
         5 team/app:v1
         6 team/four
         7 team/four
         9 (alias) *",
    );
}

#[test]
fn closing_brackets_may_be_at_the_indentation_of_their_key() {
    check(
        "spec:\n  args: [\n    --a\n  ]\n  containers: [\n    {image: a:1},\n    {\n      image: b:2\n    }\n  ]\n",
        "6 a:1\n8 b:2",
    );
}

#[test]
fn nothing_is_left_out_silently() {
    check(
        "a: {image: x:1, image: y:2}\n",
        "1 (repeated key) x:1\n1 y:2",
    );
    check(
        "- image: \"{{ .Values.image }}\"\n- image: {{ .Values.image | quote }}\n- {{ .x }}\n",
        "1 (template, not rendered) {{ .Values.image }}
         2 (template, not rendered) {{ … }}
         3 (template, not rendered) {{ … }}",
    );
    for (bytes, line, why) in [
        (&b"image: a\0\nimage: b\n"[..], 1, "unexpected NUL"),
        (b"a:1\n\xff\xfe\n", 2, "expected UTF-8"),
        (
            b"a: [\n",
            2,
            "while parsing a node, did not find expected node content",
        ),
    ] {
        let error = read(bytes).expect_err("an error");
        let Fault::List {
            line: at,
            why: found,
            ..
        } = error.fault()
        else {
            panic!("{error}");
        };
        assert_eq!((*at, found.as_str()), (Some(line), why), "{error}");
        assert_eq!(error.context().collect::<Vec<_>>(), ["list"]);
    }
    let error = read("{{- if .x }}\nkind: a\n{{- end }}\n").expect_err("a template");
    assert_eq!(
        error.hint().as_deref(),
        Some("helm template renders a chart to a list"),
        "{error}"
    );
}

#[test]
fn strings_that_name_present_images() {
    let present = |reference: &Reference| reference.path().ends_with("hidden");
    let limits = Limits::default();
    let reading = Reading {
        limits: &limits,
        any_string: Some(&present),
    };
    let yaml = "args:\n\
                - --image=quay.io/a/hidden:1\n\
                - |\n\
                \x20 first\n\
                \x20 docker pull \"b/hidden\";\n\
                image: c/hidden\n\
                other: d/shown\n";
    let listed = parse("list", yaml.as_bytes(), reading).expect("a list");
    assert_eq!(
        shown(&listed),
        "2 string quay.io/a/hidden:1\n5 string b/hidden\n6 c/hidden\n"
    );
    let text = "a:1 # instead of x/hidden:2\n";
    let listed = parse("list", text.as_bytes(), reading).expect("a list");
    assert_eq!(shown(&listed), "1 a:1\n1 string x/hidden:2\n");
}

/// The limit that a list exceeds.
fn limit(bytes: impl AsRef<[u8]>) -> &'static str {
    let error = read(bytes).expect_err("an error");
    match error.fault() {
        Fault::Limit { what, .. } => what,
        _ => panic!("{error}"),
    }
}

#[test]
fn limits_hold() {
    let bomb: String = (1..=9)
        .map(|n| {
            format!(
                "l{n}: &l{n} [{}]\n",
                vec![format!("*l{}", n - 1); 9].join(", ")
            )
        })
        .collect();
    let bomb = format!("l0: &l0 [lol]\n{bomb}");
    // Nothing is expanded, so that only their number counts.
    assert_eq!(read(&bomb).expect("few aliases"), "");
    let many = "images: &a [x:1]\nb:\n".to_owned() + &"- *a\n".repeat(1001);
    assert_eq!(limit(many), "aliases");
    let big = format!("a: &a {}\nimages:\n", "x".repeat(1 << 20)) + &"- *a\n".repeat(1000);
    let found = read(&big).expect("a list");
    assert_eq!(found.lines().count(), 1000);
    assert!(found.len() < 1 << 20, "{} bytes", found.len());
    let anchors: String = (0..=100_000).map(|n| format!("- &a{n} b\n")).collect();
    assert_eq!(limit(anchors), "anchors of a list");
    assert_eq!(limit("- ".repeat(101) + "a"), "depth of a list");
    assert_eq!(limit("[".repeat(101) + &"]".repeat(101)), "depth of a list");
    assert_eq!(read("- ".repeat(100) + "a").expect("a list"), "");
    assert_eq!(limit("[".to_owned() + &",".repeat(1_000_000)), "JSON items");
    assert_eq!(limit("a\n".repeat(1_000_001)), "references of a list");
    let limits = Limits {
        list: 10,
        ..Limits::default()
    };
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"nginx:1.25\n").expect("written");
    let reading = Reading {
        limits: &limits,
        any_string: None,
    };
    let error = read_path(file.path(), reading).expect_err("a limit");
    let what = "size of a list in bytes";
    assert!(
        matches!(error.fault(), Fault::Limit { what: found, limit: 10, found: 11 } if *found == what),
        "{error}"
    );
    let expected = "--limit list-size=20 raises it, if you trust the input";
    assert_eq!(error.hint().as_deref(), Some(expected));
}
