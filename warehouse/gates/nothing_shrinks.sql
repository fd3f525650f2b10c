-- severity: block
-- en: No source loses more than 5 % of its rows from one release to the next.
-- vi: Không nguồn nào mất quá 5 % số dòng từ bản phát hành này sang bản kế tiếp.
-- tables: every
SELECT before.source, coalesce(now.rows, 0) AS found, before.allowed
FROM (
    SELECT _source AS source, least(count(*) - 20, 0.95 * count(*)) AS allowed
    FROM previous_$table
    WHERE _deleted_at IS NULL
    GROUP BY _source
) AS before
LEFT JOIN (
    SELECT _source AS source, count(*) AS rows
    FROM $table
    WHERE _deleted_at IS NULL
    GROUP BY _source
) AS now ON now.source = before.source
WHERE coalesce(now.rows, 0) < before.allowed
