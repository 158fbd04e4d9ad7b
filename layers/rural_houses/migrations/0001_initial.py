import django.contrib.gis.db.models.fields
import django.contrib.gis.db.models.functions
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import gis.fields
import services.catalog.ids
import services.catalog.quantities
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('spatial', '0002_region_code_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='Craftsman',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.PointField(blank=True, null=True, srid=4490, verbose_name='位置')),
                ('state', models.CharField(choices=[('active', '在册'), ('suspended', '暂停执业'), ('removed', '已除名')], default='active', max_length=12, verbose_name='状态')),
                ('trade', models.CharField(choices=[('mason', '泥瓦工'), ('carpenter', '木工'), ('steel', '钢筋工'), ('leader', '带头工匠')], max_length=12, verbose_name='工种')),
                ('phone', models.CharField(blank=True, max_length=20, verbose_name='手机号')),
                ('credit_score', services.catalog.quantities.Quantity(blank=True, null=True, unit='分', validators=[django.core.validators.MinValueValidator(0)], verbose_name='信用得分')),
                ('registered_on', models.DateField(blank=True, null=True, verbose_name='登记日期')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.PointField(null=True, srid=3857))),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '农村建筑工匠',
                'verbose_name_plural': '农村建筑工匠',
            },
        ),
        migrations.CreateModel(
            name='CraftsmanCredit',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('happened_on', models.DateField(verbose_name='认定日期')),
                ('kind', models.CharField(choices=[('reward', '加分'), ('penalty', '扣分')], max_length=8, verbose_name='类别')),
                ('points', models.DecimalField(decimal_places=1, max_digits=5, validators=[django.core.validators.MinValueValidator(0)], verbose_name='分值')),
                ('reason', models.CharField(max_length=300, verbose_name='事由')),
                ('craftsman', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='credits', to='rural_houses.craftsman', verbose_name='工匠')),
            ],
            options={
                'verbose_name': '工匠信用',
                'verbose_name_plural': '工匠信用',
                'ordering': ['-happened_on'],
            },
        ),
        migrations.CreateModel(
            name='CraftsmanTraining',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('held_on', models.DateField(verbose_name='培训日期')),
                ('subject', models.CharField(max_length=120, verbose_name='培训内容')),
                ('passed', models.BooleanField(default=True, verbose_name='考核合格')),
                ('craftsman', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trainings', to='rural_houses.craftsman', verbose_name='工匠')),
            ],
            options={
                'verbose_name': '工匠培训',
                'verbose_name_plural': '工匠培训',
                'ordering': ['-held_on'],
            },
        ),
        migrations.CreateModel(
            name='RuralHouse',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.PointField(blank=True, null=True, srid=4490, verbose_name='位置')),
                ('state', models.CharField(choices=[('existing', '存量'), ('building', '在建'), ('dangerous', '危房'), ('treating', '治理中'), ('demolished', '已拆除')], default='existing', max_length=12, verbose_name='状态')),
                ('grade', models.CharField(blank=True, choices=[('A', 'A级（安全）'), ('B', 'B级（基本安全）'), ('C', 'C级（局部危险）'), ('D', 'D级（整栋危险）')], max_length=1, verbose_name='危险性等级')),
                ('structure', models.CharField(blank=True, choices=[('concrete', '钢筋混凝土'), ('masonry', '砖混'), ('brick_timber', '砖木'), ('timber', '木结构'), ('earth', '土木'), ('steel', '钢结构')], max_length=12, verbose_name='结构类型')),
                ('storeys', models.PositiveSmallIntegerField(default=1, verbose_name='层数')),
                ('floor_area', services.catalog.quantities.Quantity(blank=True, null=True, unit='m²', validators=[django.core.validators.MinValueValidator(0)], verbose_name='建筑面积')),
                ('built_year', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='建成年份')),
                ('address', models.CharField(blank=True, max_length=200, verbose_name='地址')),
                ('householder', models.CharField(blank=True, max_length=60, verbose_name='户主')),
                ('low_income', models.BooleanField(default=False, verbose_name='困难家庭')),
                ('rented', models.BooleanField(default=False, verbose_name='用作经营')),
                ('method', models.CharField(blank=True, choices=[('repair', '维修加固'), ('rebuild', '拆除重建'), ('vacate', '腾空封存'), ('relocate', '易地安置')], max_length=12, verbose_name='治理方式')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.PointField(null=True, srid=3857))),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '农村房屋',
                'verbose_name_plural': '农村房屋',
            },
        ),
        migrations.CreateModel(
            name='HazardAppraisal',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('number', models.CharField(max_length=50, verbose_name='鉴定报告编号')),
                ('appraised_on', models.DateField(verbose_name='鉴定日期')),
                ('agency', models.CharField(max_length=100, verbose_name='鉴定机构')),
                ('grade', models.CharField(choices=[('A', 'A级（安全）'), ('B', 'B级（基本安全）'), ('C', 'C级（局部危险）'), ('D', 'D级（整栋危险）')], max_length=1, verbose_name='鉴定等级')),
                ('conclusion', models.CharField(blank=True, max_length=300, verbose_name='鉴定结论')),
                ('house', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='appraisals', to='rural_houses.ruralhouse', verbose_name='农村房屋')),
            ],
            options={
                'verbose_name': '危险性鉴定',
                'verbose_name_plural': '危险性鉴定',
                'ordering': ['-appraised_on'],
            },
        ),
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('stage', models.CharField(choices=[('application', '村民申请'), ('village', '村级审查'), ('town', '乡镇审核'), ('permit', '规划许可与用地批准')], max_length=12, verbose_name='审批环节')),
                ('result', models.CharField(choices=[('passed', '通过'), ('returned', '退回补正'), ('refused', '不予批准')], max_length=8, verbose_name='审批结果')),
                ('decided_on', models.DateField(verbose_name='办结日期')),
                ('decided_by', models.CharField(max_length=100, verbose_name='办理单位')),
                ('opinion', models.CharField(blank=True, max_length=300, verbose_name='意见')),
                ('house', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='approvals', to='rural_houses.ruralhouse', verbose_name='农村房屋')),
            ],
            options={
                'verbose_name': '建房审批',
                'verbose_name_plural': '建房审批',
                'ordering': ['-decided_on'],
            },
        ),
        migrations.CreateModel(
            name='Supervision',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('stage', models.CharField(choices=[('set_out', '放样到场'), ('foundation', '基槽验线'), ('construction', '施工巡查'), ('acceptance', '竣工验收')], max_length=12, verbose_name='监管环节')),
                ('done_on', models.DateField(verbose_name='到场日期')),
                ('inspector', models.CharField(max_length=60, verbose_name='监管人员')),
                ('passed', models.BooleanField(default=True, verbose_name='符合批准内容')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='说明')),
                ('house', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='supervisions', to='rural_houses.ruralhouse', verbose_name='农村房屋')),
            ],
            options={
                'verbose_name': '批后监管',
                'verbose_name_plural': '批后监管',
                'ordering': ['-done_on'],
            },
        ),
        migrations.CreateModel(
            name='Treatment',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('method', models.CharField(choices=[('repair', '维修加固'), ('rebuild', '拆除重建'), ('vacate', '腾空封存'), ('relocate', '易地安置')], max_length=12, verbose_name='治理方式')),
                ('started_on', models.DateField(verbose_name='开工日期')),
                ('finished_on', models.DateField(blank=True, null=True, verbose_name='完成日期')),
                ('cost', services.catalog.quantities.Money(blank=True, decimal_places=2, max_digits=18, null=True, unit='元', verbose_name='总费用')),
                ('subsidy', services.catalog.quantities.Money(blank=True, decimal_places=2, max_digits=18, null=True, unit='元', verbose_name='补助资金')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='说明')),
                ('house', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='treatments', to='rural_houses.ruralhouse', verbose_name='农村房屋')),
            ],
            options={
                'verbose_name': '治理改造',
                'verbose_name_plural': '治理改造',
                'ordering': ['-started_on'],
            },
        ),
        migrations.AddIndex(
            model_name='ruralhouse',
            index=models.Index(fields=['state', 'grade'], name='rural_house_state_grade'),
        ),
        migrations.AddIndex(
            model_name='ruralhouse',
            index=models.Index(fields=['region', 'state'], name='rural_house_region_state'),
        ),
        migrations.AddConstraint(
            model_name='ruralhouse',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'dangerous'), _negated=True), ('grade__in', ['C', 'D']), _connector='OR'), name='rural_house_danger_has_grade', violation_error_message='危房的危险性等级应为C级或D级（JGJ 125-2016）。'),
        ),
        migrations.AddConstraint(
            model_name='treatment',
            constraint=models.CheckConstraint(condition=models.Q(('finished_on', None), ('finished_on__gte', models.F('started_on')), _connector='OR'), name='treatment_dates_in_order', violation_error_message='完成日期不得早于开工日期。'),
        ),
    ]
