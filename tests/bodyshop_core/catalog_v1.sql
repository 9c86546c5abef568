BEGIN TRANSACTION;
CREATE TABLE annotations (
	"key" VARCHAR(64) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	project VARCHAR(64) NOT NULL, 
	instance VARCHAR(64) NOT NULL, 
	remote_id INTEGER, 
	annotator VARCHAR(64) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	label TEXT, 
	file TEXT, 
	value JSON, 
	state VARCHAR(16) NOT NULL, 
	updated_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY ("key"), 
	FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE
);
CREATE TABLE assignments (
	split_set VARCHAR(64) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	split VARCHAR(16) NOT NULL, 
	PRIMARY KEY (split_set, sha256), 
	FOREIGN KEY(split_set) REFERENCES split_sets (name) ON DELETE CASCADE, 
	FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE
);
CREATE TABLE candidates (
	"key" VARCHAR(64) NOT NULL, 
	page_key VARCHAR(64), 
	url TEXT NOT NULL, 
	host TEXT NOT NULL, 
	brand TEXT, 
	model TEXT, 
	source VARCHAR(64) NOT NULL, 
	details JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	error_class VARCHAR(64), 
	error TEXT, 
	attempts INTEGER NOT NULL, 
	not_before FLOAT, 
	sha256 VARCHAR(64), 
	updated_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "candidates" VALUES('c1','p1','https://cars.example/2.jpg','cars.example','Hyundai','Sonata','pages','{"ladder": [{"name": "src", "url": "https://cars.example/2.jpg"}], "source": "pages", "page_url": "https://cars.example/", "brand": "Hyundai", "model": "Sonata", "permission": {}}','queued',NULL,NULL,0,NULL,NULL,'2026-01-02T03:04:05+00:00');
CREATE TABLE decisions (
	sha256 VARCHAR(64) NOT NULL, 
	decision VARCHAR(8) NOT NULL, 
	framing VARCHAR(16), 
	note TEXT, 
	"by" VARCHAR(64) NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (sha256), 
	FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE
);
CREATE TABLE detections (
	sha256 VARCHAR(64) NOT NULL, 
	detector VARCHAR(64) NOT NULL, 
	label VARCHAR(32), 
	score FLOAT, 
	box JSON, 
	error TEXT, 
	PRIMARY KEY (sha256, detector), 
	FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE
);
CREATE TABLE gate_scores (
	sha256 VARCHAR(64) NOT NULL, 
	gate VARCHAR(96) NOT NULL, 
	p_car FLOAT, 
	framing VARCHAR(16), 
	top5 JSON, 
	error TEXT, 
	PRIMARY KEY (sha256, gate), 
	FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE
);
CREATE TABLE images (
	sha256 VARCHAR(64) NOT NULL, 
	extension VARCHAR(8) NOT NULL, 
	bytes INTEGER NOT NULL, 
	format VARCHAR(16), 
	width INTEGER, 
	height INTEGER, 
	mode VARCHAR(16), 
	exif_orientation INTEGER, 
	added_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (sha256)
);
INSERT INTO "images" VALUES('abababababababababababababababababababababababababababababababab','jpg',1234,'JPEG',640,480,'RGB',1,'2026-11-26T01:19:29+00:00');
CREATE TABLE label_projects (
	name VARCHAR(64) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	url TEXT NOT NULL, 
	remote_id INTEGER NOT NULL, 
	instance VARCHAR(64) NOT NULL, 
	config TEXT NOT NULL, 
	cursor JSON NOT NULL, 
	updated_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE label_tasks (
	instance VARCHAR(64) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	remote_id INTEGER NOT NULL, 
	seen_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (instance, sha256), 
	FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE
);
CREATE TABLE labels (
	sha256 VARCHAR(64) NOT NULL, 
	field VARCHAR(16) NOT NULL, 
	value TEXT NOT NULL, 
	origin VARCHAR(16) NOT NULL, 
	annotator VARCHAR(64) NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (sha256, field, value, origin, annotator), 
	FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE
);
INSERT INTO "labels" VALUES('abababababababababababababababababababababababababababababababab','brand','Hyundai','query','pages','2026-11-26T01:19:29+00:00');
CREATE TABLE measurements (
	sha256 VARCHAR(64) NOT NULL, 
	version VARCHAR(64) NOT NULL, 
	width INTEGER, 
	height INTEGER, 
	phash VARCHAR(16), 
	phash_mirror VARCHAR(16), 
	phash256 VARCHAR(64), 
	dhash VARCHAR(16), 
	colour VARCHAR(96), 
	ac_energy FLOAT, 
	pixel_digest VARCHAR(64), 
	sharpness FLOAT, 
	brightness FLOAT, 
	dark_fraction FLOAT, 
	bright_fraction FLOAT, 
	contrast FLOAT, 
	entropy FLOAT, 
	colourfulness FLOAT, 
	jpeg_quality INTEGER, 
	exif_camera TEXT, 
	exif_time VARCHAR(32), 
	error TEXT, 
	PRIMARY KEY (sha256, version), 
	FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE
);
CREATE TABLE pages (
	"key" VARCHAR(64) NOT NULL, 
	source VARCHAR(64) NOT NULL, 
	url TEXT NOT NULL, 
	brand TEXT, 
	model TEXT, 
	"query" TEXT, 
	state VARCHAR(16) NOT NULL, 
	found INTEGER NOT NULL, 
	error_class VARCHAR(64), 
	error TEXT, 
	recipe_version VARCHAR(32), 
	visited_at VARCHAR(32), 
	PRIMARY KEY ("key")
);
CREATE TABLE pair_checks (
	first VARCHAR(64) NOT NULL, 
	second VARCHAR(64) NOT NULL, 
	version VARCHAR(32) NOT NULL, 
	mirrored BOOLEAN, 
	overlap FLOAT, 
	covered FLOAT, 
	outliers FLOAT, 
	correlation FLOAT, 
	error TEXT, 
	PRIMARY KEY (first, second, version), 
	FOREIGN KEY(first) REFERENCES images (sha256) ON DELETE CASCADE, 
	FOREIGN KEY(second) REFERENCES images (sha256) ON DELETE CASCADE
);
CREATE TABLE runs (
	id VARCHAR(64) NOT NULL, 
	command VARCHAR(32) NOT NULL, 
	arguments JSON NOT NULL, 
	versions JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	counts JSON, 
	folder TEXT, 
	started_at VARCHAR(32) NOT NULL, 
	seconds FLOAT, 
	PRIMARY KEY (id)
);
CREATE TABLE sightings (
	"key" VARCHAR(64) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	url TEXT, 
	final_url TEXT, 
	page_url TEXT, 
	page_title TEXT, 
	alt TEXT, 
	caption TEXT, 
	file TEXT, 
	source VARCHAR(64) NOT NULL, 
	brand TEXT, 
	model TEXT, 
	"query" TEXT, 
	rank INTEGER, 
	spin_group VARCHAR(64), 
	frame INTEGER, 
	frames INTEGER, 
	angle_deg FLOAT, 
	capture VARCHAR(32), 
	full_size_rung VARCHAR(32), 
	status INTEGER, 
	etag TEXT, 
	content_type TEXT, 
	licence TEXT, 
	author TEXT, 
	permission JSON, 
	given_split VARCHAR(16), 
	fetched_at VARCHAR(32) NOT NULL, 
	tool_version VARCHAR(32) NOT NULL, 
	recipe_version VARCHAR(32), 
	PRIMARY KEY ("key"), 
	FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE
);
INSERT INTO "sightings" VALUES('k1','abababababababababababababababababababababababababababababababab','https://cars.example/1.jpg',NULL,NULL,NULL,'현대 쏘나타',NULL,NULL,'pages','Hyundai','Sonata',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,200,'"1"',NULL,NULL,NULL,'{"robots": "allowed"}',NULL,'2026-01-02T03:04:05+00:00','bodyshop 0.1.0',NULL);
CREATE TABLE split_sets (
	name VARCHAR(64) NOT NULL, 
	target VARCHAR(16) NOT NULL, 
	seed INTEGER NOT NULL, 
	ratios JSON NOT NULL, 
	options JSON NOT NULL, 
	audit JSON, 
	proof JSON, 
	created_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE splits (
	split_set VARCHAR(64) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	split VARCHAR(16) NOT NULL, 
	label TEXT NOT NULL, 
	"group" VARCHAR(64) NOT NULL, 
	PRIMARY KEY (split_set, sha256), 
	FOREIGN KEY(split_set) REFERENCES split_sets (name) ON DELETE CASCADE, 
	FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE
);
CREATE TABLE tombstones (
	kind VARCHAR(8) NOT NULL, 
	value TEXT NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (kind, value)
);
CREATE TABLE variant_sets (
	policy VARCHAR(64) NOT NULL, 
	split_set VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	content JSON NOT NULL, 
	copies INTEGER NOT NULL, 
	balance BOOLEAN NOT NULL, 
	versions JSON NOT NULL, 
	updated_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (policy, split_set)
);
CREATE TABLE variants (
	sha256 VARCHAR(64) NOT NULL, 
	policy VARCHAR(64) NOT NULL, 
	copy INTEGER NOT NULL, 
	split_set VARCHAR(64) NOT NULL, 
	label TEXT NOT NULL, 
	"group" VARCHAR(64) NOT NULL, 
	current BOOLEAN NOT NULL, 
	file TEXT, 
	masks JSON, 
	boxes JSON, 
	applied JSON, 
	seed INTEGER, 
	attempt INTEGER, 
	inputs VARCHAR(64) NOT NULL, 
	digest VARCHAR(64), 
	bytes INTEGER, 
	width INTEGER, 
	height INTEGER, 
	error TEXT, 
	made_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (sha256, policy, copy, split_set), 
	FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE
);
CREATE TABLE verdicts (
	sha256 VARCHAR(64) NOT NULL, 
	verdict VARCHAR(8) NOT NULL, 
	reasons JSON NOT NULL, 
	details JSON, 
	cluster VARCHAR(64), 
	representative VARCHAR(64), 
	"group" VARCHAR(64), 
	policy VARCHAR(64) NOT NULL, 
	gate VARCHAR(96), 
	human BOOLEAN NOT NULL, 
	decided_at VARCHAR(32) NOT NULL, 
	PRIMARY KEY (sha256), 
	FOREIGN KEY(sha256) REFERENCES images (sha256) ON DELETE CASCADE
);
CREATE INDEX ix_candidates_host ON candidates (host);
CREATE INDEX ix_candidates_state ON candidates (state);
CREATE INDEX ix_candidates_page_key ON candidates (page_key);
CREATE INDEX ix_sightings_spin_group ON sightings (spin_group);
CREATE INDEX ix_sightings_sha256 ON sightings (sha256);
CREATE INDEX labels_by_field ON labels (field, value);
CREATE INDEX ix_verdicts_group ON verdicts ("group");
CREATE INDEX ix_verdicts_cluster ON verdicts (cluster);
CREATE INDEX ix_annotations_sha256 ON annotations (sha256);
CREATE INDEX annotations_of_a_project ON annotations (instance, sha256);
COMMIT;
PRAGMA user_version = 1;
