-- A token may be for an agent that exists: its machine enrols again and stays the same agent.

ALTER TABLE vantage.enrolment_tokens
    ADD COLUMN agent_id uuid REFERENCES vantage.agents ON DELETE CASCADE;
COMMENT ON COLUMN vantage.enrolment_tokens.agent_id IS
    'The one agent that it gives a new certificate to. NULL: it makes a new agent.';
