CREATE TABLE fairlead_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT fairlead_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE bodies (
	id INTEGER NOT NULL, 
	hash BLOB NOT NULL, 
	data BLOB NOT NULL, 
	CONSTRAINT pk_bodies PRIMARY KEY (id), 
	CONSTRAINT uq_bodies_hash UNIQUE (hash)
);
CREATE TABLE exchanges (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id TEXT NOT NULL, 
	row_hash TEXT NOT NULL, 
	request_key TEXT NOT NULL, 
	workload_id TEXT, 
	prompt_id TEXT, 
	dialect TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	model TEXT NOT NULL, 
	provider TEXT, 
	tier TEXT, 
	fresh BIGINT, 
	cache_read BIGINT, 
	cache_write_5m BIGINT, 
	cache_write_1h BIGINT, 
	visible BIGINT, 
	reasoning BIGINT, 
	audio_in BIGINT, 
	image_in BIGINT, 
	audio_out BIGINT, 
	started_us BIGINT, 
	latency_s DOUBLE, 
	first_token_s DOUBLE, 
	failure TEXT, 
	fidelity TEXT, 
	conversation TEXT, 
	step BIGINT, 
	made_for TEXT, 
	source TEXT NOT NULL, 
	metadata BLOB NOT NULL, 
	served TEXT, 
	request_body BIGINT NOT NULL, 
	response_body BIGINT NOT NULL, 
	CONSTRAINT fk_exchanges_request_body_bodies FOREIGN KEY(request_body) REFERENCES bodies (id), 
	CONSTRAINT fk_exchanges_response_body_bodies FOREIGN KEY(response_body) REFERENCES bodies (id), 
	CONSTRAINT uq_exchanges_id UNIQUE (id), 
	CONSTRAINT uq_exchanges_row_hash UNIQUE (row_hash)
);
CREATE INDEX ix_exchanges_request_body ON exchanges (request_body);
CREATE INDEX ix_exchanges_response_body ON exchanges (response_body);
CREATE INDEX ix_exchanges_conversation ON exchanges (conversation) WHERE conversation IS NOT NULL;
CREATE INDEX ix_exchanges_made_for ON exchanges (made_for) WHERE made_for IS NOT NULL;
CREATE INDEX ix_exchanges_workload ON exchanges (workload_id, seq);
CREATE TABLE workloads (
	id TEXT NOT NULL, 
	position BIGINT NOT NULL, 
	record BLOB NOT NULL, 
	CONSTRAINT pk_workloads PRIMARY KEY (id)
);
CREATE TABLE pilots (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	design BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_pilots PRIMARY KEY (seq), 
	CONSTRAINT uq_pilots_id UNIQUE (id)
);
CREATE TABLE draws (
	pilot_id TEXT NOT NULL, 
	position BIGINT NOT NULL, 
	exchange_id TEXT NOT NULL, 
	CONSTRAINT pk_draws PRIMARY KEY (pilot_id, position), 
	CONSTRAINT fk_draws_pilot_id_pilots FOREIGN KEY(pilot_id) REFERENCES pilots (id)
)
 WITHOUT ROWID

;
CREATE INDEX ix_draws_exchange_id ON draws (exchange_id);
CREATE TABLE on_file (
	pilot_id TEXT NOT NULL, 
	position BIGINT NOT NULL, 
	exchange_id TEXT NOT NULL, 
	closed BIGINT, 
	segments BLOB NOT NULL, 
	CONSTRAINT pk_on_file PRIMARY KEY (pilot_id, position), 
	CONSTRAINT fk_on_file_pilot_id_pilots FOREIGN KEY(pilot_id) REFERENCES pilots (id)
)
 WITHOUT ROWID

;
CREATE INDEX ix_on_file_exchange_id ON on_file (exchange_id);
CREATE TABLE pairs (
	pilot_id TEXT NOT NULL, 
	position BIGINT NOT NULL, 
	exchange_id TEXT NOT NULL, 
	record BLOB NOT NULL, 
	CONSTRAINT pk_pairs PRIMARY KEY (pilot_id, position), 
	CONSTRAINT fk_pairs_pilot_id_pilots FOREIGN KEY(pilot_id) REFERENCES pilots (id)
)
 WITHOUT ROWID

;
CREATE INDEX ix_pairs_exchange_id ON pairs (exchange_id);
CREATE TABLE replies (
	asker_id TEXT NOT NULL, 
	request_key TEXT NOT NULL, 
	body BIGINT NOT NULL, 
	fresh BIGINT, 
	cache_read BIGINT, 
	cache_write_5m BIGINT, 
	cache_write_1h BIGINT, 
	visible BIGINT, 
	reasoning BIGINT, 
	audio_in BIGINT, 
	image_in BIGINT, 
	audio_out BIGINT, 
	latency_s DOUBLE, 
	attempts BIGINT NOT NULL, 
	CONSTRAINT pk_replies PRIMARY KEY (asker_id, request_key), 
	CONSTRAINT fk_replies_body_bodies FOREIGN KEY(body) REFERENCES bodies (id)
)
 WITHOUT ROWID

;
CREATE INDEX ix_replies_body ON replies (body);
CREATE TABLE judgements (
	judge_id TEXT NOT NULL, 
	question_key TEXT NOT NULL, 
	exchange_id TEXT NOT NULL, 
	record BLOB NOT NULL, 
	CONSTRAINT pk_judgements PRIMARY KEY (judge_id, question_key)
)
 WITHOUT ROWID

;
CREATE INDEX ix_judgements_exchange_id ON judgements (exchange_id);
CREATE TABLE preferences (
	seq INTEGER NOT NULL, 
	pilot_id TEXT NOT NULL, 
	position BIGINT NOT NULL, 
	reviewer TEXT NOT NULL, 
	exchange_id TEXT NOT NULL, 
	record BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_preferences PRIMARY KEY (seq), 
	CONSTRAINT fk_preferences_pilot_id_pilots FOREIGN KEY(pilot_id) REFERENCES pilots (id), 
	CONSTRAINT uq_preferences_pilot_id UNIQUE (pilot_id, position, reviewer)
);
CREATE INDEX ix_preferences_exchange_id ON preferences (exchange_id);
CREATE TABLE verdicts (
	pilot_id TEXT NOT NULL, 
	seq INTEGER NOT NULL, 
	record BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_verdicts PRIMARY KEY (seq), 
	CONSTRAINT fk_verdicts_pilot_id_pilots FOREIGN KEY(pilot_id) REFERENCES pilots (id)
);
CREATE INDEX ix_verdicts_pilot_id ON verdicts (pilot_id);
CREATE TABLE routes (
	workload_id TEXT NOT NULL, 
	version BIGINT NOT NULL, 
	record BLOB NOT NULL, 
	CONSTRAINT pk_routes PRIMARY KEY (workload_id)
);
CREATE TABLE steps (
	seq INTEGER NOT NULL, 
	workload_id TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	record BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_steps PRIMARY KEY (seq), 
	CONSTRAINT uq_steps_workload_id UNIQUE (workload_id, number)
);
CREATE TABLE route_states (
	workload_id TEXT NOT NULL, 
	run BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	value BLOB NOT NULL, 
	CONSTRAINT pk_route_states PRIMARY KEY (workload_id, run, name)
)
 WITHOUT ROWID

;
CREATE TABLE claims (
	workload_id TEXT NOT NULL, 
	run BIGINT NOT NULL, 
	unit TEXT NOT NULL, 
	is_first BOOLEAN NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_claims PRIMARY KEY (workload_id, run, unit)
)
 WITHOUT ROWID

;
CREATE TABLE watched (
	seq INTEGER NOT NULL, 
	workload_id TEXT NOT NULL, 
	run BIGINT NOT NULL, 
	stage TEXT NOT NULL, 
	exchange_id TEXT NOT NULL, 
	record BLOB NOT NULL, 
	CONSTRAINT pk_watched PRIMARY KEY (seq)
);
CREATE INDEX ix_watched_exchange_id ON watched (exchange_id);
CREATE INDEX ix_watched_route ON watched (workload_id, run, stage);
CREATE TABLE alerts (
	seq INTEGER NOT NULL, 
	record BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	tries BIGINT NOT NULL, 
	due_us BIGINT, 
	told BOOLEAN, 
	CONSTRAINT pk_alerts PRIMARY KEY (seq)
);
CREATE TABLE rollups (
	hour_us BIGINT NOT NULL, 
	workload_id TEXT NOT NULL, 
	model TEXT NOT NULL, 
	key_id TEXT NOT NULL, 
	served TEXT NOT NULL, 
	calls BIGINT NOT NULL, 
	errors BIGINT NOT NULL, 
	closed BIGINT NOT NULL, 
	unmetered BIGINT NOT NULL, 
	unpriced BIGINT NOT NULL, 
	fresh BIGINT NOT NULL, 
	cache_read BIGINT NOT NULL, 
	cache_write BIGINT NOT NULL, 
	visible BIGINT NOT NULL, 
	reasoning BIGINT NOT NULL, 
	cost BIGINT NOT NULL, 
	"instead" BIGINT NOT NULL, 
	latency_us BIGINT NOT NULL, 
	spread BLOB NOT NULL, 
	CONSTRAINT pk_rollups PRIMARY KEY (hour_us, workload_id, model, key_id, served)
)
 WITHOUT ROWID

;
CREATE TABLE spend (
	key_id TEXT NOT NULL, 
	day_us BIGINT NOT NULL, 
	calls BIGINT NOT NULL, 
	tokens BIGINT NOT NULL, 
	cost BIGINT NOT NULL, 
	unpriced BIGINT NOT NULL, 
	CONSTRAINT pk_spend PRIMARY KEY (key_id, day_us)
)
 WITHOUT ROWID

;
CREATE TABLE keys (
	id TEXT NOT NULL, 
	record BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_keys PRIMARY KEY (id)
);
CREATE TABLE plans (
	seq INTEGER NOT NULL, 
	record BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_plans PRIMARY KEY (seq)
);
CREATE TABLE scans (
	seq INTEGER NOT NULL, 
	record BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_scans PRIMARY KEY (seq)
);
CREATE TABLE hosts (
	host TEXT NOT NULL, 
	approved_us BIGINT NOT NULL, 
	CONSTRAINT pk_hosts PRIMARY KEY (host)
);
CREATE TABLE state (
	"key" TEXT NOT NULL, 
	value BLOB NOT NULL, 
	CONSTRAINT pk_state PRIMARY KEY ("key")
);
INSERT INTO fairlead_version (version_num) VALUES ('0001')
