-- A person looks tickets up: by what people call the order, with what became of each and on what grounds.

ALTER TABLE jobs ADD COLUMN evidence TEXT NOT NULL DEFAULT '';      -- confirmed, presumed, witnessed …
UPDATE jobs SET evidence = CASE WHEN reason LIKE 'it took every byte%' THEN 'presumed'
    WHEN reason LIKE 'seen on paper%' THEN 'witnessed' ELSE 'confirmed' END WHERE state = 'completed';
CREATE INDEX orders_number ON orders (number);
CREATE INDEX moves_of_job ON moves (job_id);
