-- Spread the organizations' ledgers over the nodes of a Citus cluster (docs/how-to/high-availability.md#citus).
-- As the owner of the tables, on the coordinator, after `governlayer migrate` and before the first start.
-- NOT RUN ON CITUS: it was not to be had. A test runs this file on PostgreSQL with the two functions recorded, holds the
-- catalog against Citus' rules, and makes decisions on what it leaves.

BEGIN;

-- 1. A unique constraint of a distributed table must contain the column that distributes it.

-- A ledger's id is that of its organization, and its origin ends with its id: both are unique because the id is.
ALTER TABLE ledger DROP CONSTRAINT ledger_organization_id_key;
ALTER TABLE ledger DROP CONSTRAINT ledger_origin_key;
-- These are told apart by random ids, which stay unique in a ledger and are unique among ledgers by chance alone.
ALTER TABLE legal_hold DROP CONSTRAINT legal_hold_pkey, ADD CONSTRAINT legal_hold_pkey PRIMARY KEY (ledger_id, id);
ALTER TABLE subject_key DROP CONSTRAINT subject_key_pkey, ADD CONSTRAINT subject_key_pkey PRIMARY KEY (ledger_id, id);
ALTER TABLE tombstone DROP CONSTRAINT tombstone_pkey, ADD CONSTRAINT tombstone_pkey PRIMARY KEY (ledger_id, id);

-- 2. Reference tables: whole on every node.

-- Of the deployment: few rows.
SELECT create_reference_table('deployment');
SELECT create_reference_table('key_change');
SELECT create_reference_table('key_encryption_key');
SELECT create_reference_table('ledger_key');
SELECT create_reference_table('migration');
SELECT create_reference_table('policy_set');
SELECT create_reference_table('rotation');
SELECT create_reference_table('secret');
-- Of organizations, and not distributed: each is found before the organization is known, by something that is unique in the
-- deployment (an e-mail address, a key, a token), or belongs to what is found so.
SELECT create_reference_table('organization');
SELECT create_reference_table('app_user');
SELECT create_reference_table('api_key');
SELECT create_reference_table('api_key_event');
SELECT create_reference_table('familiar_address');
SELECT create_reference_table('one_time_token');
SELECT create_reference_table('session');

-- 3. Distributed by ledger: all that a decision writes is on one node.

SELECT create_distributed_table('ledger', 'id', colocate_with => 'none');
SELECT create_distributed_table('data_key', 'owner', colocate_with => 'ledger');
SELECT create_distributed_table('idempotent_answer', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('ledger_checkpoint', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('ledger_cosignature', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('ledger_fork', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('ledger_payload', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('ledger_record', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('ledger_refusal', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('ledger_restore', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('ledger_subject', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('ledger_tile', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('ledger_timestamp', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('legal_hold', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('subject_key', 'ledger_id', colocate_with => 'ledger');
SELECT create_distributed_table('tombstone', 'ledger_id', colocate_with => 'ledger');

-- 4. Distributed by organization, on a node of its own choosing: its column is a uuid, that of ledgers a text.

SELECT create_distributed_table('usage_count', 'organization_id', colocate_with => 'none');

COMMIT;
