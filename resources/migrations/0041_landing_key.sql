-- The same key with what differs most in front: a page of new records compared three equal texts for each step down the index.

alter table landing_records drop constraint landing_records_automation_source_object_external_id_versio_key;
alter table landing_records add unique (external_id, version, object, source, automation);
