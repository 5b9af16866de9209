-- Format 1 of the store. What is here never changes once it is on main: the next format is a file of its own, run on top of this one.
-- Both SQLite and PostgreSQL read it. Times are milliseconds since 1970, truth values 0 and 1, numbers of rows come from db_new_id().

CREATE TABLE meta(
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Customers. A reseller has tenants below it. The operator's own domains have none.
CREATE TABLE tenant(
    id BIGINT PRIMARY KEY,
    parent BIGINT REFERENCES tenant(id),
    name TEXT NOT NULL UNIQUE,
    note TEXT NOT NULL DEFAULT '',
    is_suspended BIGINT NOT NULL DEFAULT 0,
    created_ms BIGINT NOT NULL
);

CREATE TABLE domain(
    id BIGINT PRIMARY KEY,
    tenant BIGINT REFERENCES tenant(id),
    name TEXT NOT NULL UNIQUE,          -- A-labels, lower case
    contact TEXT NOT NULL DEFAULT '',
    language TEXT NOT NULL DEFAULT '',
    time_zone TEXT NOT NULL DEFAULT '',
    created_ms BIGINT NOT NULL
);
CREATE INDEX domain_by_tenant ON domain(tenant);

-- Mail for NAME is mail for DOMAIN.
CREATE TABLE domain_alias(
    name TEXT PRIMARY KEY,
    domain BIGINT NOT NULL REFERENCES domain(id) ON DELETE CASCADE
);
CREATE INDEX domain_alias_by_domain ON domain_alias(domain);

CREATE TABLE mailbox(
    id BIGINT PRIMARY KEY,
    domain BIGINT NOT NULL REFERENCES domain(id) ON DELETE CASCADE,
    local_part TEXT NOT NULL,           -- lower case
    source TEXT NOT NULL DEFAULT 'hand', -- hand, csv, ldap
    created_ms BIGINT NOT NULL,
    UNIQUE(domain, local_part)
);

-- Another local part of the same domain for a mailbox.
CREATE TABLE mailbox_alias(
    domain BIGINT NOT NULL REFERENCES domain(id) ON DELETE CASCADE,
    local_part TEXT NOT NULL,
    mailbox BIGINT NOT NULL REFERENCES mailbox(id) ON DELETE CASCADE,
    source TEXT NOT NULL DEFAULT 'hand',
    PRIMARY KEY(domain, local_part)
);
CREATE INDEX mailbox_alias_by_mailbox ON mailbox_alias(mailbox);

-- What became of the last look into a domain's LDAP directory, and of the last that was good.
CREATE TABLE directory_sync(
    domain BIGINT PRIMARY KEY REFERENCES domain(id) ON DELETE CASCADE,
    tried_ms BIGINT NOT NULL,
    succeeded_ms BIGINT NOT NULL DEFAULT 0,
    found BIGINT NOT NULL DEFAULT 0,
    added BIGINT NOT NULL DEFAULT 0,
    removed BIGINT NOT NULL DEFAULT 0,
    left_out BIGINT NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT ''
);

-- What is set, at one level: s (operator; owner 0), t (tenant), d (domain), m (mailbox), u (outgoing account). No row: inherited.
-- VALUE is JSON: a text, or an array of texts for lists and networks.
CREATE TABLE setting(
    level TEXT NOT NULL,
    owner BIGINT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    changed_ms BIGINT NOT NULL,
    PRIMARY KEY(level, owner, name)
);

-- Allow and block lists (product.md §5). LIST: sender-allow, sender-block, recipient-allow, recipient-block, ip-allow, ip-block.
CREATE TABLE list_entry(
    id BIGINT PRIMARY KEY,
    level TEXT NOT NULL,
    owner BIGINT NOT NULL,
    list TEXT NOT NULL,
    pattern TEXT NOT NULL,
    match TEXT NOT NULL DEFAULT 'envelope', -- envelope, from, both
    is_authenticated BIGINT NOT NULL DEFAULT 1,
    skip TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    created_ms BIGINT NOT NULL,
    created_by TEXT NOT NULL DEFAULT '',
    expires_ms BIGINT NOT NULL DEFAULT 0, -- 0: never
    UNIQUE(level, owner, list, pattern, match)
);
CREATE INDEX list_entry_by_owner ON list_entry(level, owner);

-- Custom rules, in order of POSITION. DEFINITION is JSON: who, where, what (policy/rules.h).
CREATE TABLE rule(
    id BIGINT PRIMARY KEY,
    level TEXT NOT NULL,
    owner BIGINT NOT NULL,
    position BIGINT NOT NULL,
    name TEXT NOT NULL,
    is_on BIGINT NOT NULL DEFAULT 1,
    definition TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    changed_ms BIGINT NOT NULL
);
CREATE INDEX rule_by_owner ON rule(level, owner, position);

-- Who may sign in to the console and the API. ROLE is one of roles in permissions.def.
CREATE TABLE person(
    id BIGINT PRIMARY KEY,
    tenant BIGINT REFERENCES tenant(id),  -- sees it and all below; NULL: all (or what DOMAIN, MAILBOX say)
    domain BIGINT REFERENCES domain(id) ON DELETE CASCADE,
    mailbox BIGINT REFERENCES mailbox(id) ON DELETE CASCADE,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL DEFAULT '',
    role TEXT NOT NULL,
    password TEXT NOT NULL DEFAULT '',    -- argon2id; '' none yet
    totp BYTEA,                           -- secret, once confirmed
    totp_pending BYTEA,
    totp_last BIGINT NOT NULL DEFAULT 0,  -- the last time step that was used: none works twice
    language TEXT NOT NULL DEFAULT '',
    is_locked BIGINT NOT NULL DEFAULT 0,
    created_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX person_by_tenant ON person(tenant);
CREATE INDEX person_by_domain ON person(domain);
CREATE INDEX person_by_mailbox ON person(mailbox);

CREATE TABLE session(
    hash BYTEA PRIMARY KEY,               -- SHA-256 of what the browser holds
    id BIGINT NOT NULL UNIQUE,
    person BIGINT NOT NULL REFERENCES person(id) ON DELETE CASCADE,
    acting_as BIGINT REFERENCES person(id) ON DELETE CASCADE,
    csrf TEXT NOT NULL,
    client TEXT NOT NULL,
    agent TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX session_by_person ON session(person);

CREATE TABLE api_key(
    id BIGINT PRIMARY KEY,
    person BIGINT NOT NULL REFERENCES person(id) ON DELETE CASCADE,
    hash BYTEA NOT NULL UNIQUE,
    name TEXT NOT NULL,
    permissions TEXT NOT NULL,            -- names, separated by blanks; never more than the person's role has
    networks TEXT NOT NULL DEFAULT '',
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL DEFAULT 0,
    used_ms BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX api_key_by_person ON api_key(person);

-- Outgoing accounts. KIND: user (login user@domain), domain (login is the domain), network (no password).
CREATE TABLE account(
    id BIGINT PRIMARY KEY,
    domain BIGINT NOT NULL REFERENCES domain(id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    login TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL DEFAULT '',    -- argon2id, '' none
    scram TEXT NOT NULL DEFAULT '',       -- iterations:salt:stored key:server key (base64), '' none
    networks TEXT NOT NULL DEFAULT '',    -- user, domain: where from only; network: who it is
    is_locked BIGINT NOT NULL DEFAULT 0,
    lock_reason TEXT NOT NULL DEFAULT '',
    locked_until_ms BIGINT NOT NULL DEFAULT 0, -- 0: until somebody unlocks it
    unlocks BIGINT NOT NULL DEFAULT 0,    -- automatic ones so far
    created_ms BIGINT NOT NULL,
    used_ms BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX account_by_domain ON account(domain);

-- Identities of an account that were locked by themselves.
CREATE TABLE identity_lock(
    account BIGINT NOT NULL REFERENCES account(id) ON DELETE CASCADE,
    identity TEXT NOT NULL,
    reason TEXT NOT NULL,
    locked_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL DEFAULT 0,
    unlocks BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY(account, identity)
);

-- The message log: a row for each recipient of each message, and for each attempt that was refused (store/message_columns.def).
CREATE TABLE message(
    id BIGINT PRIMARY KEY,                -- db_new_id(): in the order of time
    reference TEXT NOT NULL,
    recipient TEXT NOT NULL DEFAULT '',   -- lower case; '' where it was refused before one was named
    direction TEXT NOT NULL DEFAULT '',   -- in, out, own
    tenant BIGINT,
    domain BIGINT,                        -- that the row belongs to: the recipient's, or the account's
    account BIGINT,
    login TEXT NOT NULL DEFAULT '',       -- of AUTH
    identity TEXT NOT NULL DEFAULT '',
    client_ip TEXT NOT NULL DEFAULT '',
    client_key TEXT NOT NULL DEFAULT '',  -- the same in 32 hexadecimal digits (IPv4 as ::ffff:a.b.c.d): networks are ranges of it
    client_name TEXT NOT NULL DEFAULT '',
    helo TEXT NOT NULL DEFAULT '',
    tls TEXT NOT NULL DEFAULT '',
    sender TEXT NOT NULL DEFAULT '',      -- lower case; '' is the null sender
    sender_domain TEXT NOT NULL DEFAULT '',
    recipient_domain TEXT NOT NULL DEFAULT '',
    header_from TEXT NOT NULL DEFAULT '',
    header_to TEXT NOT NULL DEFAULT '',
    header_cc TEXT NOT NULL DEFAULT '',
    subject TEXT NOT NULL DEFAULT '',
    message_id TEXT NOT NULL DEFAULT '',
    size BIGINT NOT NULL DEFAULT 0,
    attachments TEXT NOT NULL DEFAULT '', -- names, a line each
    main_class TEXT NOT NULL DEFAULT 'unknown',
    sub_class TEXT NOT NULL DEFAULT '',
    extra_class TEXT NOT NULL DEFAULT '',
    score DOUBLE PRECISION NOT NULL DEFAULT 0,
    findings TEXT NOT NULL DEFAULT '[]',  -- JSON, all of them
    results TEXT NOT NULL DEFAULT '{}',   -- JSON: spf, dkim, dmarc, standing
    reply TEXT NOT NULL DEFAULT '',       -- ours
    reason TEXT NOT NULL DEFAULT '',      -- id of reasons.def
    action TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL,                 -- product.md §9
    host TEXT NOT NULL DEFAULT '',        -- of the delivery
    host_tls TEXT NOT NULL DEFAULT '',
    tls_policy TEXT NOT NULL DEFAULT '',
    remote_reply TEXT NOT NULL DEFAULT '',
    dsn TEXT NOT NULL DEFAULT '',         -- enhanced status code
    attempts BIGINT NOT NULL DEFAULT 0,
    next_try_ms BIGINT NOT NULL DEFAULT 0,
    changed_ms BIGINT NOT NULL,
    node TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX message_by_reference ON message(reference, recipient);
CREATE INDEX message_by_tenant ON message(tenant, id);
CREATE INDEX message_by_domain ON message(domain, id);
CREATE INDEX message_by_recipient ON message(recipient, id);
CREATE INDEX message_by_sender ON message(sender, id);
CREATE INDEX message_by_recipient_domain ON message(recipient_domain, id);
CREATE INDEX message_by_sender_domain ON message(sender_domain, id);
CREATE INDEX message_by_client ON message(client_key, id);
CREATE INDEX message_by_message_id ON message(message_id, id);
CREATE INDEX message_by_status ON message(status, id);
CREATE INDEX message_by_reason ON message(reason, id);

-- Words of subject, header From and attachment names, behind s, f and a: for searches by a part of them (store/message_words.h).
CREATE TABLE message_word(
    word TEXT NOT NULL,
    message BIGINT NOT NULL,
    PRIMARY KEY(word, message)
) /* sqlite: WITHOUT ROWID */;

-- What is quarantined, once for all recipients of a message: our trace fields and the message as it came.
CREATE TABLE body(
    id BIGINT PRIMARY KEY,
    packing TEXT NOT NULL,                -- zlib, none
    size BIGINT NOT NULL,                 -- of the message, unpacked
    header BYTEA NOT NULL,
    data BYTEA NOT NULL
);

-- A recipient's quarantined message. REFUSED: its sender was told so; otherwise it was accepted.
CREATE TABLE quarantine(
    id BIGINT PRIMARY KEY,
    body BIGINT NOT NULL REFERENCES body(id),
    tenant BIGINT,
    domain BIGINT,
    account BIGINT,
    direction TEXT NOT NULL,              -- in, out
    reference TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,              -- lower case
    header_from TEXT NOT NULL DEFAULT '',
    subject TEXT NOT NULL DEFAULT '',
    client_ip TEXT NOT NULL DEFAULT '',
    size BIGINT NOT NULL,
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL DEFAULT '',
    score DOUBLE PRECISION NOT NULL DEFAULT 0,
    is_refused BIGINT NOT NULL,
    envelope BYTEA NOT NULL,              -- spool_message_write()
    state TEXT NOT NULL,                  -- kept, releasing, released, removed, expired
    changed_by TEXT NOT NULL DEFAULT '',
    changed_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX quarantine_by_body ON quarantine(body);
CREATE INDEX quarantine_by_domain ON quarantine(domain, state, id);
CREATE INDEX quarantine_by_recipient ON quarantine(recipient, state, id);
CREATE INDEX quarantine_by_reference ON quarantine(reference);
CREATE INDEX quarantine_by_state ON quarantine(state, expires_ms);

-- The last digest of each recipient: rows of quarantine up to that one were in it.
CREATE TABLE digest(
    recipient TEXT PRIMARY KEY,
    up_to BIGINT NOT NULL,
    sent_ms BIGINT NOT NULL
);

-- What was learned, and from whom: the truth behind the classifier.
CREATE TABLE training(
    id BIGINT PRIMARY KEY,
    label TEXT NOT NULL,                  -- ham, spam
    source TEXT NOT NULL,                 -- release, console, api, mail, operator
    trust DOUBLE PRECISION NOT NULL,
    person TEXT NOT NULL DEFAULT '',
    tenant BIGINT,
    domain BIGINT,
    reference TEXT NOT NULL DEFAULT '',
    features BYTEA NOT NULL,
    undone_ms BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX training_by_reference ON training(reference);

-- Who changed what. Only appended to; each row's HASH covers it and the hash before it (store/audit.h).
CREATE TABLE audit(
    id BIGINT PRIMARY KEY,
    tenant BIGINT,
    domain BIGINT,
    actor TEXT NOT NULL,
    acting_as TEXT NOT NULL DEFAULT '',
    client TEXT NOT NULL DEFAULT '',
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    before_value TEXT NOT NULL DEFAULT '',
    after_value TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    hash BYTEA NOT NULL
);
CREATE INDEX audit_by_object ON audit(object, id);
CREATE INDEX audit_by_tenant ON audit(tenant, id);

-- Links in mails: single use, bound to what they are for.
CREATE TABLE token(
    hash BYTEA PRIMARY KEY,               -- SHA-256 of what stands in the link
    kind TEXT NOT NULL,                   -- digest, unlock, sign-in, reset
    verb TEXT NOT NULL DEFAULT '',
    object BIGINT NOT NULL,
    recipient TEXT NOT NULL DEFAULT '',
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    used_ms BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX token_by_expiry ON token(expires_ms);

CREATE TABLE saved_filter(
    id BIGINT PRIMARY KEY,
    person BIGINT NOT NULL REFERENCES person(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    filter TEXT NOT NULL,
    columns TEXT NOT NULL DEFAULT '',
    schedule TEXT NOT NULL DEFAULT '',    -- '' none, daily, weekly: a report by mail
    sent_ms BIGINT NOT NULL DEFAULT 0,
    UNIQUE(person, name)
);

-- Answers to requests with an Idempotency-Key, kept for a day.
CREATE TABLE answered(
    person BIGINT NOT NULL,
    key TEXT NOT NULL,
    request BYTEA NOT NULL,               -- SHA-256 of method, path and body
    status BIGINT NOT NULL,
    body TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY(person, key)
);
