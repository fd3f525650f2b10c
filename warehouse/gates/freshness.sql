-- severity: warn
-- en: Every stream was read without an error in the last two days (hours since, beside 48).
-- vi: Mọi luồng đều được đọc không lỗi trong hai ngày qua (số giờ đã qua, so với 48).
SELECT
    source,
    stream AS "table",
    coalesce(date_diff('hour', last_good_sync, last_run_of_all), 9999) AS found,
    48 AS allowed
FROM freshness
CROSS JOIN (SELECT max(last_run) AS last_run_of_all FROM freshness)
WHERE found > allowed
