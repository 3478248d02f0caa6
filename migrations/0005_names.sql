-- A name must show something. Characters without any ink (zero-width ones, soft hyphens,
-- fillers, variation selectors, tags) and blanks are not enough: a person sees no name,
-- and cannot write it. The list is that of src/spec/name.rs, and tests/schema holds the
-- two against each other.
CREATE VIEW spec_visible AS
SELECT '*[^' || blanks
    || char(173, 847, 1564, 4447, 4448, 6068, 6069)
    || char(6155) || '-' || char(6159)
    || char(8203) || '-' || char(8207)
    || char(8234) || '-' || char(8238)
    || char(8288) || '-' || char(8303)
    || char(10240, 12644)
    || char(65024) || '-' || char(65039)
    || char(65279, 65440)
    || char(65520) || '-' || char(65531)
    || char(113824) || '-' || char(113827)
    || char(119155) || '-' || char(119162)
    || char(917504) || '-' || char(921599)
    || ']*' AS with_visible
FROM spec_characters;

-- Beside spec_check_rules, which parserd itself lifts for many jobs that it has checked.
CREATE TRIGGER spec_check_names INSTEAD OF INSERT ON spec_check
WHEN trim(NEW.name, (SELECT blanks FROM spec_characters)) <> ''
    AND NEW.name NOT GLOB (SELECT with_visible FROM spec_visible)
BEGIN
    SELECT RAISE(ABORT, 'name is blank to the eye: it has only invisible characters, give the job a name that shows');
END;
