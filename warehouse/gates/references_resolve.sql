-- severity: block
-- en: At most 1 % of the rows that name a dossier of their source name one that isn't there.
-- vi: Không quá 1 % số dòng trỏ tới một hồ sơ không có trong cùng nguồn.
-- tables: dossier_event, payment, document
WITH asked AS (
    SELECT _source, dossier_key
    FROM touched_$table
    WHERE dossier_key IS NOT NULL AND _deleted_at IS NULL
      AND _source IN (SELECT DISTINCT _source FROM dossier)
)
SELECT
    asked._source AS source,
    count(*) FILTER (WHERE there._key IS NULL) AS found,
    greatest(20, 0.01 * count(*)) AS allowed
FROM asked
LEFT JOIN (SELECT _source, _key FROM dossier) AS there
    ON there._source = asked._source AND there._key = asked.dossier_key
GROUP BY asked._source
HAVING found > allowed
